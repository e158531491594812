"""Counts the values in JSON as it comes in, before anybody parses it.

A few bytes can be a value, and each value costs fifty bytes and more in memory: a million empty lists
are 3 MB, and up to 266 MiB once a library has parsed them.
"""

from __future__ import annotations

_SIGNS = (b",", b"[", b"{")


class ValueCounter:
    """Counts commas and opening brackets outside of strings, in all and since the last line end.

    A string of JSON holds no line end, so that each line begins outside of one: a stray quote, as in
    the comment of a stream, spoils its own line at most.
    """

    def __init__(self) -> None:
        self.total = 0
        self.line = 0
        self._within = False
        self._escaped = False

    def add(self, chunk: bytes) -> int:
        """Count a chunk; returns the largest number of a line that it belongs to."""
        largest = self.line
        for number, part in enumerate(chunk.replace(b"\r", b"\n").split(b"\n")):
            if number:
                self.line, self._within, self._escaped = 0, False, False
            count = self._count(part)
            self.line += count
            self.total += count
            largest = max(largest, self.line)
        return largest

    def _count(self, part: bytes) -> int:
        count = 0
        for number, piece in enumerate(part.split(b'"')):
            if number:
                # A quote, which an odd number of backslashes before it makes a part of the string.
                self._within = self._within is self._escaped
                self._escaped = False
            if not self._within:
                count += sum(map(piece.count, _SIGNS))
            elif piece:
                tail = len(piece) - len(piece.rstrip(b"\\"))
                # Backslashes alone go on with those of the chunk before.
                before = self._escaped if tail == len(piece) else False
                self._escaped = (tail + before) % 2 == 1
        return count
