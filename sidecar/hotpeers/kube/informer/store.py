"""The cached objects of one scope, each in its last good (parsed) form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hotpeers_shim.contract import Nack, clean_text

from ...base.names import NamespacedName
from ...base.problems import Problem
from ...base.view import MalformedError

T = TypeVar("T")
Noted = Callable[[T | None, T | None], None]


@dataclass(slots=True)
class _Entry(Generic[T]):
    version: str
    good: T | None
    problems: tuple[Problem, ...] = ()


class Store(Generic[T]):
    """Objects by namespace and name. `put`, `drop` and `keep` return whether they changed it.

    `noted` is called with the old and the new good form of each changed object; None stands for a
    missing form.
    """

    def __init__(
        self, kind: str, *, lingers: bool = False, noted: Noted[T] = lambda _before, _after: None
    ) -> None:
        self._kind = kind
        self._noted = noted
        self._lingers = lingers
        self._entries: dict[NamespacedName, _Entry[T]] = {}
        # Indexes of `_entries` for `values` and `problems`, which are called after each event.
        # Almost all entries are only in the first.
        self._good: dict[NamespacedName, T] = {}
        self._bad: dict[NamespacedName, _Entry[T]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def values(self) -> Iterator[T]:
        """The good form of each object that has one."""
        return iter(self._good.values())

    def problems(self) -> Iterator[Problem]:
        """The current problems with objects."""
        for entry in self._bad.values():
            yield from entry.problems

    def unclear(self) -> Iterator[str]:
        """The objects without a good form so far, as `kind/namespace/name`."""
        for key, entry in self._bad.items():
            if entry.good is None:
                yield self._title(key)

    def put(self, data: Any, read: Callable[[Any], T], *, anew: bool = False) -> bool:
        """Store an object that was added or changed. Returns whether the store changed.

        An object that is being deleted is removed, unless the kind `lingers`. With `anew`, the object
        is parsed even if this resource version was parsed before.
        """
        key = _key(data)
        if key is None:
            return False
        metadata = data["metadata"]
        if metadata.get("deletionTimestamp") and not self._lingers:
            return self.drop(data)
        version = str(metadata.get("resourceVersion") or "")
        before = self._entries.get(key)
        if not anew and before is not None and version and before.version == version:
            return False
        try:
            entry = _Entry(version, read(data))
        except MalformedError as error:
            good = before.good if before else None
            entry = _Entry(version, good, self._malformed(key, error))
        if before is not None and before.good == entry.good:
            entry.good = before.good
        self._set(key, entry)
        was = before.good if before is not None else None
        if was is not entry.good:
            self._noted(was, entry.good)
        if before is None:
            return True
        return before.good is not entry.good or before.problems != entry.problems

    def keep_as(self, key: NamespacedName, form: T) -> None:
        """Replace the good form of an object, without a call of `noted`."""
        entry = self._entries.get(key)
        if entry is not None and entry.good is not None:
            entry.good = self._good[key] = form

    def drop(self, data: Any) -> bool:
        """Remove an object that was deleted. Returns whether the store changed."""
        key = _key(data)
        return key is not None and self._remove(key)

    def keys_of(self, items: Iterable[Any]) -> Iterator[NamespacedName]:
        """The key of each object that has a name and counts (see `Kind.lingers`)."""
        for data in items:
            key = _key(data)
            if key is None:
                continue
            if self._lingers or not data["metadata"].get("deletionTimestamp"):
                yield key

    def keep(self, keys: Iterable[NamespacedName]) -> bool:
        """Remove all objects except these, after a complete list. Returns whether any were."""
        gone = self._entries.keys() - set(keys)
        for key in gone:
            self._remove(key)
        return bool(gone)

    def _set(self, key: NamespacedName, entry: _Entry[T]) -> None:
        self._entries[key] = entry
        if entry.good is not None:
            self._good[key] = entry.good
        if entry.problems:
            self._bad[key] = entry
        else:
            self._bad.pop(key, None)

    def _remove(self, key: NamespacedName) -> bool:
        good = self._good.pop(key, None)
        self._bad.pop(key, None)
        if good is not None:
            self._noted(good, None)
        return self._entries.pop(key, None) is not None

    def _malformed(self, key: NamespacedName, error: MalformedError) -> tuple[Problem, ...]:
        where = self._title(key)
        return tuple(
            Problem(where, word, message, field=field) for word, field, message in error.findings
        ) or (Problem(where, Nack.WRONG_SHAPE, "it cannot be read"),)

    def _title(self, key: NamespacedName) -> str:
        return f"{self._kind}/{key}"


def _key(data: Any) -> NamespacedName | None:
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return None
    namespace = clean_text(str(metadata.get("namespace") or ""))
    return NamespacedName(namespace, clean_text(metadata["name"]))
