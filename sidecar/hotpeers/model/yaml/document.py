"""Splits untrusted files of manifests, in YAML or JSON, into documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hotpeers_shim.contract import MAX_PEERS, Nack, clean_text

from ...base.parts import text
from ...base.problems import Problem
from ..cards.card import check_depth
from ..reasons import ModelReason
from .reader import YamlError, read_yaml

MAX_MANIFEST_BYTES = 1024 * 1024
"""Largest file of manifests or cards that is read, in bytes."""


class DocumentError(ValueError):
    """A file cannot be split into documents."""

    def __init__(self, problem: Problem, place: str = "") -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.place = place
        """` at line 3 column 7`, or "" if that is unknown."""


def read_documents(raw: bytes, where: str) -> list[tuple[int, Any]]:
    """The documents of a file, with their numbers from 1; a `List` is split into its items.

    Raises `DocumentError` if the file cannot be read.
    """
    if len(raw) > MAX_MANIFEST_BYTES:
        message = f"larger than the limit of {MAX_MANIFEST_BYTES} bytes"
        raise DocumentError(Problem(where, Nack.FILE_TOO_LARGE, message))
    if not raw.strip():
        raise DocumentError(Problem(where, Nack.FILE_EMPTY, "there is nothing in it"))
    try:
        source = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8"
        raise DocumentError(Problem(where, Nack.NOT_UTF8, message)) from error
    if where.endswith(".json"):
        documents = [(1, _json(source, where))]
    else:
        documents = [
            (number, data)
            for number, data in enumerate(_yaml(source, where), start=1)
            if data is not None
        ]
    return list(_items(documents, where))


def _json(source: str, where: str) -> Any:
    try:
        data = json.loads(source, object_pairs_hook=_pairs)
        check_depth(data)
    except _RepeatedKeyError as error:
        message = f"the key {clean_text(str(error), 80)!r} is there twice"
        raise DocumentError(Problem(where, ModelReason.DUPLICATE_KEY, message)) from error
    except json.JSONDecodeError as error:
        message = f"{error.msg} at line {error.lineno} column {error.colno}"
        raise DocumentError(Problem(where, Nack.NOT_JSON, message)) from error
    except (ValueError, RecursionError) as error:
        raise DocumentError(Problem(where, Nack.NOT_JSON, str(error)[:200])) from error
    return data


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedKeyError(key)
            seen.add(key)
    return found


class _RepeatedKeyError(Exception):
    """A JSON object has a key twice."""


def _yaml(source: str, where: str) -> list[Any]:
    try:
        return read_yaml(source)
    except YamlError as error:
        problem = Problem(where, error.reason, clean_text(f"{error}{error.place}", 300))
        raise DocumentError(problem, error.place) from error


def _items(documents: list[tuple[int, Any]], where: str) -> Iterator[tuple[int, Any]]:
    count = 0
    for number, data in documents:
        for item in _listed(data, number, where):
            count += 1
            if count > MAX_PEERS:
                message = f"more than {MAX_PEERS} objects"
                raise DocumentError(Problem(where, Nack.TOO_MANY_PEERS, message, number))
            yield number, item


def _listed(data: Any, number: int, where: str) -> Iterator[Any]:
    """The objects of a list, and of lists in it. An object of another kind is returned itself."""
    kind = text(data, "kind")
    # An object whose kind ends with `List` has a name, which a list has not.
    if not kind.endswith("List") or ("items" not in data and text(data, "metadata", "name")):
        yield data
        return
    items = data.get("items")
    if not isinstance(items, list):
        raise DocumentError(Problem(where, Nack.WRONG_SHAPE, "a list is needed", number, "items"))
    # The API server leaves both out in the items of a list of one kind, such as a DeploymentList.
    own = {"apiVersion": data.get("apiVersion"), "kind": kind.removesuffix("List")}
    for item in items:
        named = own["kind"] and isinstance(item, dict) and "kind" not in item
        yield from _listed({**own, **item} if named else item, number, where)
