"""CustomResourceDefinitions that are missing, or older than this version of hotpeers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..base.parts import items, part, text
from .finding import Finding
from .packaged import definitions
from .reasons import CheckReason
from .snapshot import Json, Part, Snapshot, named

_SHOWN = 5


def find_definitions(snapshot: Snapshot) -> Iterator[Finding]:
    """Compares the CRDs of the cluster with those in this package."""
    there = named(snapshot.of(Part.DEFINITIONS))
    for name, ours in named(definitions()).items():
        where = f"CustomResourceDefinition {name}"
        found = there.get(name)
        if found is None:
            yield Finding(CheckReason.DEFINITION_MISSING, where, "it does not exist")
            continue
        lacking = list(_lacking(ours, found))
        if lacking:
            more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
            message = f"it lacks {', '.join(lacking[:_SHOWN])}{more}"
            yield Finding(CheckReason.DEFINITION_OLD, where, message)


def _lacking(ours: Json, found: Json) -> Iterator[str]:
    served = {
        text(one, "name"): one for one in items(found, "spec", "versions") if one.get("served")
    }
    for version in items(ours, "spec", "versions"):
        name = text(version, "name")
        if name not in served:
            yield f"the version {name}"
            continue
        schemas = [part(one, "schema", "openAPIV3Schema") for one in (version, served[name])]
        there = set(_fields(schemas[1]))
        yield from (field for field in _fields(schemas[0]) if field not in there)


def _fields(schema: Any, path: str = "") -> Iterator[str]:
    for name, inner in part(schema, "properties").items():
        here = f"{path}.{name}" if path else name
        yield here
        yield from _fields(inner, here)
    for inner in (part(schema, "items"), part(schema, "additionalProperties")):
        if inner:
            yield from _fields(inner, f"{path}[]")
