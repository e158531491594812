"""Parses untrusted YAML to plain data, at a cost that is bounded by the length of the text.

libyaml parses the text, and this module builds the data in one pass over the events. It does not use
PyYAML's composer, which recurses in C, nor its constructors, which multiply repeated values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from hotpeers_shim.contract import clean_text

from ...base.reasons import Reason
from ..reasons import ModelReason
from .scalars import plain_value

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SLOW_BYTES = 32 * 1024
# Limits a quadratic cost: libyaml compares each %TAG of a document with all previous ones.
_MAX_TAGS = 1000
_MAX_TEXT = 4 * 1024 * 1024
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "null": (type(None),),
}


class YamlError(ValueError):
    """The text is not YAML, or exceeds a limit. `line` and `column` count from 1."""

    def __init__(
        self, message: str, mark: Any = None, reason: Reason = ModelReason.NOT_YAML
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.line: int | None = mark.line + 1 if mark else None
        self.column: int | None = mark.column + 1 if mark else None

    @property
    def place(self) -> str:
        """` at line 3 column 7`, or "" if that is unknown."""
        return f" at line {self.line} column {self.column}" if self.line else ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for a text.

    `depth` is the maximum nesting depth. `values` is the maximum number of keys, values and
    collections; values that an alias repeats count again. `plain` rejects anchors, aliases, tags,
    merge keys, and keys that are not text.
    """

    depth: int = 64
    values: int = 200_000
    plain: bool = False


@dataclass(slots=True)
class _Known:
    """A complete value with an anchor, and the counts that each repetition of it adds."""

    value: Any
    values: int
    text: int
    height: int


@dataclass(slots=True)
class _Open:
    """A collection whose end was not read yet. `key` is `_NO_KEY` unless a key waits for its value."""

    value: Any
    start: Any
    anchor: str | None
    values: int
    text: int
    deepest: int
    key: Any = None
    lines: dict[Any, int] = field(default_factory=dict)
    merges: list[dict[Any, Any]] = field(default_factory=list)


_NO_KEY = object()
_MERGE = object()


def read_yaml(text: str, limits: Limits | None = None) -> list[Any]:
    """The documents of a text; an empty one is None. Raises `YamlError`."""
    if _Parser is yaml.SafeLoader and len(text) > _SLOW_BYTES:
        raise YamlError(f"without libyaml no more than {_SLOW_BYTES} characters are read")
    if text.count("%TAG") > _MAX_TAGS:
        raise YamlError(f"more than {_MAX_TAGS} %TAG directives")
    reader = _Reader(limits or Limits())
    try:
        for event in yaml.parse(text, Loader=_Parser):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        message = str(error.problem or error.context)
        raise YamlError(message, error.problem_mark or error.context_mark) from error
    except yaml.YAMLError as error:
        # The text has a character that YAML forbids.
        raise YamlError(str(error).partition("\n")[0]) from error
    return reader.documents


class _Reader:
    """Builds data from a stream of events."""

    def __init__(self, limits: Limits) -> None:
        self.documents: list[Any] = []
        self._limits = limits
        self._open: list[_Open] = []
        self._anchors: dict[str, _Known] = {}
        self._unfinished: set[str] = set()
        self._values = 0
        self._text = 0

    def take(self, event: Any) -> None:
        """Process the next event of the text."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._take_scalar(event)
        elif kind is yaml.MappingStartEvent:
            self._start({}, event)
        elif kind is yaml.SequenceStartEvent:
            self._start([], event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._end()
        elif kind is yaml.AliasEvent:
            self._take_alias(event)
        elif kind is yaml.DocumentStartEvent:
            self._anchors = {}

    def _count(self, mark: Any, values: int, text: int) -> None:
        self._values += values
        self._text += text
        if self._values > self._limits.values:
            raise YamlError(f"it has more than {self._limits.values} values", mark)
        if self._text > _MAX_TEXT:
            raise YamlError("its aliases repeat too much text", mark)

    def _take_scalar(self, event: Any) -> None:
        self._check_plain(event)
        text = event.value
        self._count(event.start_mark, 1, len(text))
        value: Any = text
        if event.tag not in (None, "!"):
            value = _tagged(event)
        elif event.implicit[0]:
            is_key = self._at_key()
            if text == "<<" and is_key:
                value = _MERGE
                if self._limits.plain:
                    raise YamlError("merge keys (<<) are not taken", event.start_mark)
            else:
                value = _plain(event)
        if event.anchor is not None:
            shown = text if value is _MERGE else value
            self._remember(event.anchor, _Known(shown, 1, len(text), 0))
        self._put(value, event)

    def _take_alias(self, event: Any) -> None:
        self._check_plain(event)
        known = self._anchors.get(event.anchor)
        if event.anchor in self._unfinished:
            raise YamlError("an alias is inside its own anchor", event.start_mark)
        if known is None:
            raise YamlError("an alias has no anchor", event.start_mark)
        self._count(event.start_mark, known.values, known.text)
        self._reach(len(self._open) + known.height, event.start_mark)
        self._put(known.value, event)

    def _start(self, value: Any, event: Any) -> None:
        self._check_plain(event)
        expected = "map" if isinstance(value, dict) else "seq"
        if event.tag not in (None, "!", _CORE + expected):
            raise YamlError(f"the tag {_short(event.tag)} is not known", event.start_mark)
        if self._at_key():
            raise YamlError("a key must be a single value", event.start_mark)
        depth = len(self._open) + 1
        self._reach(depth, event.start_mark)
        self._open.append(
            _Open(value, event, event.anchor, self._values, self._text, depth, _NO_KEY)
        )
        if event.anchor is not None:
            self._unfinished.add(event.anchor)
        self._count(event.start_mark, 1, 0)

    def _end(self) -> None:
        done = self._open.pop()
        if done.merges:
            done.value = _merged(done.value, done.merges)
        if self._open:
            outer = self._open[-1]
            outer.deepest = max(outer.deepest, done.deepest)
        if done.anchor is not None:
            values, text = self._values - done.values, self._text - done.text
            height = done.deepest - len(self._open)
            self._remember(done.anchor, _Known(done.value, values, text, height))
        self._put(done.value, done.start)

    def _remember(self, anchor: str, known: _Known) -> None:
        self._unfinished.discard(anchor)
        self._anchors[anchor] = known

    def _reach(self, depth: int, mark: Any) -> None:
        if depth > self._limits.depth:
            raise YamlError(f"it nests deeper than {self._limits.depth}", mark)
        if self._open:
            self._open[-1].deepest = max(self._open[-1].deepest, depth)

    def _at_key(self) -> bool:
        """Whether the next value is the key of a mapping."""
        return (
            bool(self._open)
            and self._open[-1].key is _NO_KEY
            and (type(self._open[-1].value) is dict)
        )

    def _put(self, value: Any, event: Any) -> None:
        if not self._open:
            self.documents.append(value)
            return
        outer = self._open[-1]
        if type(outer.value) is list:
            outer.value.append(value)
        elif outer.key is _NO_KEY:
            outer.key = self._key(outer, value, event)
        else:
            key, outer.key = outer.key, _NO_KEY
            if key is _MERGE:
                outer.merges = _mappings(value, event)
            else:
                outer.value[key] = value

    def _key(self, outer: _Open, key: Any, event: Any) -> Any:
        if isinstance(key, dict | list):
            raise YamlError("a key must be a single value", event.start_mark)
        shown = "'<<'" if key is _MERGE else _short(str(key))
        if self._limits.plain and not isinstance(key, str):
            raise YamlError(f"the key {shown} is not text; quote it", event.start_mark)
        if key in outer.lines:
            first = outer.lines[key]
            message = f"the key {shown} is there twice, first in line {first}"
            raise YamlError(message, event.start_mark, ModelReason.DUPLICATE_KEY)
        outer.lines[key] = event.start_mark.line + 1
        return key

    def _check_plain(self, event: Any) -> None:
        if not self._limits.plain:
            return
        trick = ""
        if type(event) is yaml.AliasEvent:
            trick = "aliases (*)"
        elif event.anchor is not None:
            trick = "anchors (&)"
        elif event.tag is not None:
            trick = "tags (!)"
        if trick:
            raise YamlError(f"{trick} are not taken", event.start_mark)


def _plain(event: Any) -> Any:
    try:
        return plain_value(event.value)
    except ValueError as error:
        raise YamlError(str(error), event.start_mark) from error


def _tagged(event: Any) -> Any:
    """The value of a scalar with a tag. Only the tags for JSON values are known."""
    name = event.tag.removeprefix(_CORE)
    if event.tag == _CORE + "str":
        return event.value
    if not event.tag.startswith(_CORE) or name not in _SCALAR_TAGS:
        raise YamlError(f"the tag {_short(event.tag)} is not known", event.start_mark)
    value = _plain(event)
    if type(value) not in _SCALAR_TAGS[name]:
        raise YamlError(f"{_short(event.value)} is not of the tag !!{name}", event.start_mark)
    return float(value) if name == "float" else value


def _mappings(value: Any, event: Any) -> list[dict[Any, Any]]:
    """The mappings of a merge key; the first has the highest precedence."""
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) for one in found):
        raise YamlError("<< takes a mapping, or a list of them", event.start_mark)
    return found


def _merged(own: dict[Any, Any], merges: list[dict[Any, Any]]) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for one in reversed(merges):
        result.update(one)
    result.update(own)
    return result


def _short(text: str) -> str:
    return repr(clean_text(text, 80))
