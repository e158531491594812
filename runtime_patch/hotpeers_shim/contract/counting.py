"""Measures JSON as it comes in, before anything parses it: how many values, and how deeply nested.

A few bytes can be a value, and each value costs fifty bytes and more in memory: a million empty lists
are 3 MB, and up to 266 MiB once a library has parsed them.
"""

from __future__ import annotations

_SIGNS = (b",", b"[", b"{")
_BRACKETS = b"[]{}"
_OTHERS = bytes(set(range(256)) - set(_BRACKETS))
_OPENING = b"[{"


class JsonCounter:
    """Measures one JSON text, chunk by chunk, in UTF-8. It is exact for every text that is JSON.

    Nothing here loops over the bytes or the quotes in Python, so that no input is slow: 8 MiB take
    tens of milliseconds at most. Only the loop over brackets does; a caller that stops at a limit of
    values bounds it.
    """

    def __init__(self) -> None:
        self.values = 0
        """Commas and opening brackets outside of strings: members, items, lists and objects."""
        self.quotes = 0
        """Quotes that begin or end a string: JSON has at most 4 a value, and 2 more."""
        self.deepest = 0
        """How many brackets are open at most at one place."""
        self._depth = 0
        self._within = False
        self._escaped = False

    def add(self, chunk: bytes) -> None:
        """Measure the next bytes."""
        if self._escaped and chunk:
            chunk, self._escaped = chunk[1:], False
        if b"\\" in chunk:
            # JSON has backslashes in strings only, and one that ends a chunk escapes what follows.
            if (len(chunk) - len(chunk.rstrip(b"\\"))) % 2:
                chunk, self._escaped = chunk[:-1], True
            chunk = chunk.replace(b"\\\\", b"").replace(b'\\"', b"")
        pieces = chunk.split(b'"')
        outside = b"".join(pieces[self._within :: 2])
        self.quotes += len(pieces) - 1
        self._within ^= len(pieces) % 2 == 0
        self.values += sum(map(outside.count, _SIGNS))
        for bracket in outside.translate(None, _OTHERS):
            if bracket in _OPENING:
                self._depth += 1
                self.deepest = max(self.deepest, self._depth)
            else:
                self._depth -= 1


class ValueCounter:
    """Counts the values of a stream, in all and since the last line end.

    A string of JSON holds no line end, so that each line begins outside of one: a stray quote, as in
    the comment of a stream, spoils its own line at most.
    """

    def __init__(self) -> None:
        self.total = 0
        self.line = 0
        self._json = JsonCounter()

    def add(self, chunk: bytes) -> int:
        """Count a chunk; returns the largest number of a line that it belongs to."""
        largest = self.line
        for number, part in enumerate(chunk.replace(b"\r", b"\n").split(b"\n")):
            if number:
                self.line, self._json = 0, JsonCounter()
            before = self._json.values
            self._json.add(part)
            self.line = self._json.values
            self.total += self.line - before
            largest = max(largest, self.line)
        return largest
