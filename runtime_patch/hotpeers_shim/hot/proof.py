"""Which wanted configuration this process is proven to run, over its life."""

from __future__ import annotations

from .hashing import Start, Wanted, started_with


class Proof:
    """Remembers the Secrets that the process is proven to have started with."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._secrets: bytes | None = None

    def of(self, live: str, wanted: Wanted) -> tuple[str, bool]:
        """The hash that is proven to be live, "" where none; and whether a Secret was rotated.

        `live` is the config-hash of what is live, with the Secrets that are wanted. Where it is not the
        wanted one, nothing is known: the files may still come.
        """
        if live != wanted.hash:
            return "", False
        if self._secrets is None and started_with(self._start, wanted):
            self._secrets = wanted.secrets
        return (wanted.hash, False) if self._secrets == wanted.secrets else ("", True)
