"""Edits a copy of a pod, and keeps the operations of a JSON patch that do the same."""

from __future__ import annotations

from typing import Any

from .outcome import Json

Key = str | int


class Edit:
    """One pod being changed; the original stays as it is."""

    def __init__(self, pod: Json) -> None:
        self.pod: Json = _copy(pod)
        self.operations: list[Json] = []

    def put(self, value: Any, *path: Key) -> None:
        """Set a field of an object; the objects on the way there are made."""
        *parents, last = path
        parent = self._object(parents)
        if parent.get(last) != value:
            # `add` replaces what is there.
            self._note(path, value)
            parent[last] = value

    def remove(self, *path: Key) -> None:
        """Remove a field of an object, if it is there."""
        *parents, last = path
        parent = self._object(parents)
        if last in parent:
            del parent[last]
            self.operations.append({"op": "remove", "path": _pointer(path)})

    def insert(self, value: Any, index: int | None, *path: Key) -> None:
        """Insert into a list, which is made if it is missing; None appends."""
        items = self.items(*path)
        if items is None:
            items = []
            self._note(path, [])
            *parents, last = path
            self._object(parents)[last] = items
        self._note((*path, "-" if index is None else index), value)
        items.insert(len(items) if index is None else index, value)

    def items(self, *path: Key) -> list[Any] | None:
        """The list at a path of which all but the end exists; None where it is missing or null."""
        *parents, last = path
        found = self._object(parents).get(last)
        return found if isinstance(found, list) else None

    def _object(self, path: list[Key]) -> Any:
        here: Any = self.pod
        for depth, key in enumerate(path, 1):
            if not isinstance(here, list) and here.get(key) is None:
                self._note(tuple(path[:depth]), {})
                here[key] = {}
            here = here[key]
        return here

    def _note(self, path: tuple[Key, ...], value: Any) -> None:
        # Of what is added, only parents that are made empty are changed later: they are noted apart.
        self.operations.append({"op": "add", "path": _pointer(path), "value": value})


def _copy(value: Any) -> Any:
    # JSON has no cycles and nothing shared, so that this is five times as fast as `deepcopy`.
    if isinstance(value, dict):
        return {key: _copy(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_copy(part) for part in value]
    return value


def _pointer(path: tuple[Key, ...]) -> str:
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)
