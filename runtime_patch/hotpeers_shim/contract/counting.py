"""Measures JSON while it arrives, before it is parsed: the number of values, and the nesting depth.

A value can have few bytes, but each value needs at least fifty bytes in memory. A million empty
lists are 3 MB of JSON, and up to 266 MiB after a library has parsed them.
"""

from __future__ import annotations

_SIGNS = (b",", b"[", b"{")
_BRACKETS = b"[]{}"
_OTHERS = bytes(set(range(256)) - set(_BRACKETS))
_OPENING = b"[{"


class JsonCounter:
    """Measures one JSON text in UTF-8, chunk by chunk. It is exact for every valid JSON text.

    To be fast for every input, it does not loop over bytes or quotes in Python: 8 MiB take at most
    tens of milliseconds. It loops only over brackets; a caller can limit that by a limit of values.
    """

    def __init__(self) -> None:
        self.values = 0
        """The number of commas and opening brackets outside of strings.

        They stand for members, items, lists and objects.
        """
        self.quotes = 0
        """The number of quotes that begin or end a string: in JSON at most 4 per value, plus 2."""
        self.deepest = 0
        """The largest number of brackets that are open at the same time."""
        self._depth = 0
        self._within = False
        self._escaped = False

    def add(self, chunk: bytes) -> None:
        """Measure the next bytes."""
        if self._escaped and chunk:
            chunk, self._escaped = chunk[1:], False
        if b"\\" in chunk:
            # JSON has backslashes only in strings. One at the end of a chunk escapes the next
            # chunk's first byte.
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
    """Counts the values of a stream, in total and since the last line end.

    A JSON string contains no line end, so each line begins outside of a string. A stray quote, as
    in a comment of the stream, therefore affects only the count of its own line.
    """

    def __init__(self) -> None:
        self.total = 0
        self.line = 0
        self._json = JsonCounter()

    def add(self, chunk: bytes) -> int:
        """Count a chunk. Returns the largest count of the lines that the chunk has a part of."""
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
