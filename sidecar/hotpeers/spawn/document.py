"""A manifest that a model wrote, as exactly one plain object: no trick of YAML is taken."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

import yaml

from hotpeers_shim.contract import clean_text

from ..reasons import Reason
from ..registry.fault import Fault

MAX_MANIFEST = 128 * 1024
"""Longest manifest that is taken, in bytes."""
_MAX_DEPTH = 48
_MAX_NODES = 20_000
_ADVICE = "Send one Kubernetes object as plain YAML or JSON, without anchors, aliases, tags or merge keys."

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Parser):  # type: ignore[misc]
    """Safe YAML with text keys that occur once, and with no dates: JSON has none."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in _Parser.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {str(key)[:60]!r} is not text; quote it",
                    key_node.start_mark,
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key[:60]!r} occurs twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


def read_object(text: str) -> dict[str, Any]:
    """The one object of a manifest, with apiVersion, kind and metadata.name; else `Fault`."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_MANIFEST:
        raise _refused(f"{size} bytes; the limit is {MAX_MANIFEST}")
    try:
        _check_events(text)
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1} column {mark.column + 1}" if mark else ""
        raise _refused(f"{error.problem or error.context}{place}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _refused(clean_text(str(error), 300)) from error
    return _check_object(data)


def _check_events(text: str) -> None:
    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=_Parser):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        problem = _trick(event)
        if documents > 1:
            problem = "there is more than one document"
        elif depth > _MAX_DEPTH:
            problem = f"it nests deeper than {_MAX_DEPTH}"
        elif nodes > _MAX_NODES:
            problem = f"it has more than {_MAX_NODES} values"
        if problem:
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)  # type: ignore[arg-type]


def _trick(event: yaml.Event) -> str:
    if isinstance(event, yaml.AliasEvent):
        return "aliases (*) are not taken"
    if getattr(event, "anchor", None) is not None:
        return "anchors (&) are not taken"
    if getattr(event, "tag", None) is not None:
        return "tags (!) are not taken"
    if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
        return "merge keys (<<) are not taken"
    return ""


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
    return Fault(Reason.MANIFEST_REFUSED, message, _ADVICE)
