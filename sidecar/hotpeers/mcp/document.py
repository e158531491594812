"""Reads a manifest that a model wrote. It must be one plain object without YAML's special features."""

from __future__ import annotations

from typing import Any

from hotpeers_shim.contract import clean_text

from ..model.yaml.reader import Limits, YamlError, read_yaml
from ..registry.fault import Fault
from .reasons import McpReason

MAX_MANIFEST = 128 * 1024
"""Longest accepted manifest, in bytes."""
_LIMITS = Limits(depth=48, values=20_000, plain=True)
_ADVICE = "Send one Kubernetes object as plain YAML or JSON, without anchors, aliases, tags or merge keys."


def read_object(text: str) -> dict[str, Any]:
    """The only object of a manifest. Raises `Fault` without apiVersion, kind and metadata.name."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_MANIFEST:
        raise _refused(f"{size} bytes; the limit is {MAX_MANIFEST}")
    try:
        documents = read_yaml(text, _LIMITS)
    except YamlError as error:
        raise _refused(clean_text(f"{error}{error.place}", 300)) from error
    if len(documents) > 1:
        raise _refused("there is more than one document")
    data = documents[0] if documents else None
    return _check_object(data)


def _check_object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise _refused("it is no object")
    for field in ("apiVersion", "kind"):
        if not isinstance(data.get(field), str) or not data[field]:
            raise _refused(f"{field} is missing, or no text")
    if data["kind"].endswith("List") or "items" in data:
        raise _refused("it is a list; send its objects one by one")
    metadata = data.get("metadata")
    if not isinstance(metadata, dict):
        raise _refused("metadata is missing, or no object")
    if metadata.get("generateName"):
        raise _refused("metadata.generateName is not taken; choose a metadata.name")
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise _refused("metadata.name is missing, or no text")
    if not isinstance(metadata.get("namespace", ""), str):
        raise _refused("metadata.namespace is no text")
    return data


def _refused(message: str) -> Fault:
    return Fault(McpReason.MANIFEST_REFUSED, message, _ADVICE)
