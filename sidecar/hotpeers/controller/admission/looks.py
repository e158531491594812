"""Early checks for objects with the name of a new agent.

A check starts in the mutating phase, while the API server still calls other webhooks, so that the
validating phase need not wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ...base.names import NamespacedName
from .live import Live

_FRESH_SECONDS = 1.0
"""The maximum age of a check. Even a new check ends before the API server stores the agent."""
_MOST = 256

Key = NamespacedName


class Looks:
    """Finds the kinds of objects with the name of a new agent. Raises as `Live.occupied`."""

    def __init__(self, live: Live, clock: Callable[[], float] = time.monotonic) -> None:
        self._live = live
        self._clock = clock
        self._begun: dict[Key, tuple[float, asyncio.Task[tuple[str, ...]]]] = {}

    def begin(self, namespace: str, name: str, *, known: bool) -> None:
        """Start a check for a request that will come again in the validating phase."""
        self._forget()
        if len(self._begun) >= _MOST or (namespace, name) in self._begun:
            return
        look = asyncio.create_task(
            self._live.occupied(namespace, name, known=known), name="look at name"
        )
        # If the request never comes again, asyncio must not log that the error was never retrieved.
        look.add_done_callback(lambda one: one.cancelled() or one.exception())
        self._begun[NamespacedName(namespace, name)] = (self._clock(), look)

    async def occupied(self, namespace: str, name: str, *, known: bool) -> tuple[str, ...]:
        """The kinds of objects with the name: from the check that was begun, or from a new one."""
        self._forget()
        _, look = self._begun.pop(NamespacedName(namespace, name), (0.0, None))
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
