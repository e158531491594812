"""Looks at what has the name of an agent, begun while the API server still asks other webhooks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from .live import Live

_FRESH_SECONDS = 1.0
"""How old a look may be that is used; any look is older than what the API server stores after it."""
_MOST = 256

Key = tuple[str, str]


class Looks:
    """The kinds of objects that have the name of an agent about to be made. Raises as `Live.occupied`."""

    def __init__(self, live: Live, clock: Callable[[], float] = time.monotonic) -> None:
        self._live = live
        self._clock = clock
        self._begun: dict[Key, tuple[float, asyncio.Task[tuple[str, ...]]]] = {}

    def begin(self, namespace: str, name: str, *, known: bool) -> None:
        """Look now, for a request that is about to come back."""
        self._forget()
        if len(self._begun) >= _MOST or (namespace, name) in self._begun:
            return
        look = asyncio.create_task(
            self._live.occupied(namespace, name, known=known), name="look at name"
        )
        # Nobody may come for it, and what it raised is nobody's then.
        look.add_done_callback(lambda one: one.cancelled() or one.exception())
        self._begun[namespace, name] = (self._clock(), look)

    async def occupied(self, namespace: str, name: str, *, known: bool) -> tuple[str, ...]:
        """The kinds of objects with the name: by the look that was begun, or by one of now."""
        self._forget()
        _, look = self._begun.pop((namespace, name), (0.0, None))
        if look is None:
            return await self._live.occupied(namespace, name, known=known)
        return await asyncio.shield(look)

    def _forget(self) -> None:
        old = self._clock() - _FRESH_SECONDS
        while self._begun:
            key = next(iter(self._begun))
            begun, look = self._begun[key]
            if begun > old:
                return
            del self._begun[key]
            look.cancel()
