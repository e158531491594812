"""The objects of one kind in one place, as they were last seen, each in its last good form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hotpeers_shim.contract import Nack, clean_text

from ...base.problems import Problem
from ...base.view import MalformedError

T = TypeVar("T")
Key = tuple[str, str]
Noted = Callable[[T | None, T | None], None]


@dataclass(slots=True)
class _Entry(Generic[T]):
    version: str
    good: T | None
    problems: tuple[Problem, ...] = ()


class Store(Generic[T]):
    """Objects by namespace and name. Every method that changes it reports whether it did.

    `noted` is called with the good form of an object before and after each change of it, None where
    there is none.
    """

    def __init__(
        self, kind: str, *, lingers: bool = False, noted: Noted[T] = lambda _before, _after: None
    ) -> None:
        self._kind = kind
        self._noted = noted
        self._lingers = lingers
        self._entries: dict[Key, _Entry[T]] = {}
        # What is asked for after each event, beside what is looked up: all but few are only good.
        self._good: dict[Key, T] = {}
        self._bad: dict[Key, _Entry[T]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def values(self) -> Iterator[T]:
        """The good form of each object that has one."""
        return iter(self._good.values())

    def problems(self) -> Iterator[Problem]:
        """What is wrong with objects now."""
        for entry in self._bad.values():
            yield from entry.problems

    def unclear(self) -> Iterator[str]:
        """The objects that never were good: `kind/namespace/name`."""
        for key, entry in self._bad.items():
            if entry.good is None:
                yield self._title(key)

    def put(self, data: Any, read: Callable[[Any], T], *, anew: bool = False) -> bool:
        """Take in an object that was added or changed; one that is being deleted leaves, as a rule.

        `anew` reads it also where this version of it was read before.
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

    def keep_as(self, key: Key, form: T) -> None:
        """Keep another form of an object in place of its good one; nobody is notified."""
        entry = self._entries.get(key)
        if entry is not None and entry.good is not None:
            entry.good = self._good[key] = form

    def drop(self, data: Any) -> bool:
        """Take out an object that was deleted."""
        key = _key(data)
        return key is not None and self._remove(key)

    def keys_of(self, items: Iterable[Any]) -> Iterator[Key]:
        """Namespace and name of each object that has one and is not leaving."""
        for data in items:
            key = _key(data)
            if key is None:
                continue
            if self._lingers or not data["metadata"].get("deletionTimestamp"):
                yield key

    def keep(self, keys: Iterable[Key]) -> bool:
        """Take out all but these: a list was read to its end."""
        gone = self._entries.keys() - set(keys)
        for key in gone:
            self._remove(key)
        return bool(gone)

    def _set(self, key: Key, entry: _Entry[T]) -> None:
        self._entries[key] = entry
        if entry.good is not None:
            self._good[key] = entry.good
        if entry.problems:
            self._bad[key] = entry
        else:
            self._bad.pop(key, None)

    def _remove(self, key: Key) -> bool:
        good = self._good.pop(key, None)
        self._bad.pop(key, None)
        if good is not None:
            self._noted(good, None)
        return self._entries.pop(key, None) is not None

    def _malformed(self, key: Key, error: MalformedError) -> tuple[Problem, ...]:
        where = self._title(key)
        return tuple(
            Problem(where, word, message, field=field) for word, field, message in error.findings
        ) or (Problem(where, Nack.WRONG_SHAPE, "it cannot be read"),)

    def _title(self, key: Key) -> str:
        return f"{self._kind}/{key[0]}/{key[1]}"


def _key(data: Any) -> Key | None:
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return None
    return (clean_text(str(metadata.get("namespace") or "")), clean_text(metadata["name"]))
