"""Keeps the proof of which wanted configuration this process runs."""

from __future__ import annotations

from .hashing import Start, Wanted, started_with


class Proof:
    """Remembers the Secrets that the process is proven to have started with."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._secrets: bytes | None = None

    def of(self, live: str, wanted: Wanted) -> tuple[str, bool]:
        """The hash that is proven to be live ("" if none is), and whether a Secret was rotated.

        `live` is the config-hash of the live files with the wanted Secrets. If it is not the wanted
        hash, both are unknown, because the wanted files may still arrive: returns "" and False.
        """
        if live != wanted.hash:
            return "", False
        if self._secrets is None and started_with(self._start, wanted):
            self._secrets = wanted.secrets
        return (wanted.hash, False) if self._secrets == wanted.secrets else ("", True)
