"""Determines the path of an object on the API server, from the server's list of resources."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..kube.client import Client
from ..kube.errors import KubeError
from ..registry.fault import Fault, fault_of
from ..registry.reasons import RegistryReason
from .reasons import McpReason

_VERSION = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?v[0-9][a-z0-9]{0,60}")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.:_]{0,251}[A-Za-z0-9])?")
_ADVICE = "Correct the manifest and try again."


@dataclass(frozen=True, slots=True)
class Place:
    """The title of one object, and its path."""

    kind: str
    name: str
    namespace: str
    path: str

    def __str__(self) -> str:
        title = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {title}"


async def place_of(client: Client, manifest: dict[str, Any], namespace: str) -> Place:
    """Find the path of an object. `namespace` is used if the object does not have its own."""
    version, kind, metadata = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
    name, own = metadata["name"], metadata.get("namespace") or namespace
    if not _VERSION.fullmatch(version):
        raise Fault(McpReason.MANIFEST_REFUSED, f"{version!r} is not an apiVersion", _ADVICE)
    for field, value in (("name", name), ("namespace", own)):
        # Check it, because it becomes a part of a URL.
        if not _NAME.fullmatch(value):
            message = f"metadata.{field} {value[:60]!r} is not a name"
            raise Fault(McpReason.MANIFEST_REFUSED, message, _ADVICE)
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    try:
        data = await client.get(root)
    except KubeError as error:
        raise fault_of(error, f"apiVersion {version}") from error
    resources = data.get("resources") if isinstance(data, dict) else None
    for one in resources or []:
        if one.get("kind") == kind and "/" not in str(one.get("name")):
            space = own if one.get("namespaced") else ""
            path = f"{root}/namespaces/{quote(space)}" if space else root
            return Place(kind, name, space, f"{path}/{one['name']}/{quote(name)}")
    message = f"the cluster has no kind {kind} in {version}"
    raise Fault(RegistryReason.OBJECT_NOT_FOUND, message, _ADVICE)
