"""An answer of the API server that is used for a short time, and then asked for again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from ..kube.errors import KubeError

KEPT_SECONDS = 60.0
"""An answer is asked for again after this time, so what was taken away ends then."""
OLDEST_SECONDS = 300.0
"""While the API server cannot be asked, the last answer is used until it has this age."""
RETRY_SECONDS = 5.0
"""The pause after a request that failed. Meanwhile, others get the same result."""
PATIENCE_SECONDS = 1.0
"""How long a request may take before those who wait for it use the last answer. Pages must not hang with
the API server: an outage is when people look at them."""

T = TypeVar("T")


class CachedAnswer(Generic[T]):
    """One such answer. Those who want it at the same time share one request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asking: asyncio.Task[None] | None = None
        self._asked = self._failed = float("-inf")
        self._patient_until = 0.0
        self._answers: list[T] = []
        self._error = KubeError("the API server was not asked yet")

    def put(self, answer: T) -> None:
        """Keep an answer that was just given."""
        self._answers = [answer]
        self._asked = self._clock()

    async def get(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer; `ask` requests a new one. Raises `KubeError` if the last answer is too old.

        A request goes on if those who wait for it are cancelled, so `ask` must end by itself.
        """
        now, loop = self._clock(), asyncio.get_running_loop()
        if self._asking is None and self._is_due(now):
            self._asking = loop.create_task(self._ask(ask, now))
            self._patient_until = loop.time() + PATIENCE_SECONDS
        if (asking := self._asking) is not None:
            patience = max(self._patient_until - loop.time(), 0.0)
            await asyncio.wait({asking}, timeout=patience if self._is_usable(now) else None)
            if asking.done():
                asking.result()
        if self._is_usable(self._clock()):
            return self._answers[0]
        # The same error is raised for many requests: it must not collect their frames.
        raise self._error.with_traceback(None)

    def _is_due(self, now: float) -> bool:
        return now - self._asked >= KEPT_SECONDS and now - self._failed >= RETRY_SECONDS

    def _is_usable(self, now: float) -> bool:
        return bool(self._answers) and now - self._asked < OLDEST_SECONDS

    async def _ask(self, ask: Callable[[], Awaitable[T]], now: float) -> None:
        try:
            self._answers = [await ask()]
            # What changed while it was asked may be missing in the answer.
            self._asked = now
        except KubeError as error:
            self._error = error
            self._failed = self._clock()
        finally:
            self._asking = None
