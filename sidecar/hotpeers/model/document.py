"""Files of manifests as documents: safe YAML and JSON, of a source that is not trusted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml

from hotpeers_shim.contract import MAX_PEERS, Nack, clean_text

from ..reasons import Reason
from .snapshot import Problem

MAX_MANIFEST_BYTES = 1024 * 1024
"""Largest file of manifests or cards that is read, in bytes."""
_MAX_DEPTH = 64
_MAX_ALIASES = 200
_MAX_ENTRIES = 10_000

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DocumentError(ValueError):
    """A file cannot be taken apart into documents."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Loader(_Parser):  # type: ignore[misc]
    """Safe YAML in which merge keys (`<<`) cannot multiply without end."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MAX_ENTRIES:
            raise yaml.constructor.ConstructorError(
                None, None, f"merges more than {_MAX_ENTRIES} keys", node.start_mark
            )


def read_documents(raw: bytes, where: str) -> list[tuple[int, Any]]:
    """The documents of a file with their numbers from 1; the items of a `List` one by one.

    `DocumentError` tells why the file is not readable.
    """
    if len(raw) > MAX_MANIFEST_BYTES:
        message = f"{len(raw)} bytes; the limit is {MAX_MANIFEST_BYTES}"
        raise DocumentError(Problem(where, Nack.FILE_TOO_LARGE, message))
    if not raw.strip():
        raise DocumentError(Problem(where, Nack.FILE_EMPTY, "there is nothing in it"))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8"
        raise DocumentError(Problem(where, Nack.NOT_UTF8, message)) from error
    if where.endswith(".json"):
        documents = [(1, _json(text, where))]
    else:
        documents = [
            (number, data)
            for number, data in enumerate(_yaml(text, where), start=1)
            if data is not None
        ]
    return list(_items(documents, where))


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = f"{error.msg} at line {error.lineno} column {error.colno}"
        raise DocumentError(Problem(where, Nack.NOT_JSON, message)) from error
    except (ValueError, RecursionError) as error:
        raise DocumentError(Problem(where, Nack.NOT_JSON, str(error)[:200])) from error


def _yaml(text: str, where: str) -> list[Any]:
    try:
        _check_events(text)
        return list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1} column {mark.column + 1}" if mark else ""
        message = clean_text(f"{error.problem or error.context}{place}", 300)
        raise DocumentError(Problem(where, Reason.NOT_YAML, message)) from error
    # YAMLError: a character that YAML forbids; ValueError: a date or a number that none is.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = clean_text(str(error), 200)
        raise DocumentError(Problem(where, Reason.NOT_YAML, line)) from error


def _check_events(text: str) -> None:
    """Refuse what nests too deep: libyaml's composer recurses in C and would end the process."""
    depth = aliases = 0
    for event in yaml.parse(text, Loader=_Parser):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > _MAX_DEPTH or aliases > _MAX_ALIASES:
            what = (
                f"nests deeper than {_MAX_DEPTH}" if depth > _MAX_DEPTH else "has too many aliases"
            )
            raise yaml.composer.ComposerError(None, None, what, event.start_mark)  # type: ignore[arg-type]


def _items(documents: list[tuple[int, Any]], where: str) -> Iterator[tuple[int, Any]]:
    count = 0
    for number, data in documents:
        is_list = isinstance(data, dict) and str(data.get("kind")).endswith("List")
        items = data.get("items") if is_list else [data]
        if not isinstance(items, list):
            raise DocumentError(
                Problem(where, Nack.WRONG_SHAPE, "a list is needed", number, "items")
            )
        count += len(items)
        if count > MAX_PEERS:
            message = f"{count} objects; the limit is {MAX_PEERS}"
            raise DocumentError(Problem(where, Nack.TOO_MANY_PEERS, message, number))
        for item in items:
            yield number, item
