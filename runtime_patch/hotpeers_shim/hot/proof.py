"""Which wanted configuration this process is proven to run, over its life."""

from __future__ import annotations

from .content import Content
from .hashing import Start, Wanted, config_hash, started_with


class Proof:
    """Remembers the Secrets that the process is proven to have started with."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._secrets: bytes | None = None

    def of(self, live: Content, wanted: Wanted | None) -> tuple[str, bool]:
        """The hash that `live` is proven to be, "" where none; and whether a Secret was rotated.

        Where `live` is not the content that is wanted, nothing is known: its files may still come.
        """
        if wanted is None or config_hash(live, wanted.secrets) != wanted.hash:
            return "", False
        if self._secrets is None and started_with(self._start, wanted):
            self._secrets = wanted.secrets
        return (wanted.hash, False) if self._secrets == wanted.secrets else ("", True)
