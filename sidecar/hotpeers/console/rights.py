"""Which namespaces each user may see, kept for a short time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from .reviews import User
from .world import Visible

KEPT_SECONDS = 60.0
"""How long an answer of the API server is used. A right that is removed ends after this time."""
_AT_ONCE = 16
_MOST_USERS = 1_000

MayList = Callable[[User, str], Awaitable[bool]]


@dataclass
class _Known:
    asked: float
    everything: bool
    allowed: dict[str, bool] = field(default_factory=dict)


class Rights:
    """Answers which namespaces a user may see.

    The right in the whole cluster is asked for first: most users who have it cost one request. Others
    cost one request for each namespace that has something to show.
    """

    def __init__(
        self,
        may_list: MayList,
        namespaces: Callable[[], frozenset[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._may_list = may_list
        self._namespaces = namespaces
        self._clock = clock
        self._known: dict[User, _Known] = {}
        self._locks: dict[User, asyncio.Lock] = {}

    async def of(self, user: User) -> Visible:
        """The namespaces that a user may see. Raises `KubeError` if the API server cannot be asked."""
        async with self._locks.setdefault(user, asyncio.Lock()):
            known = self._known.get(user)
            if known is None or self._clock() - known.asked >= KEPT_SECONDS:
                self._known.pop(user, None)
                asked = self._clock()
                known = _Known(asked, await self._may_list(user, ""))
                await self._ask(user, known)
                self._keep(user, known)
            else:
                await self._ask(user, known)
        if known.everything:
            return Visible(everything=True)
        return Visible(namespaces=frozenset(name for name, yes in known.allowed.items() if yes))

    async def _ask(self, user: User, known: _Known) -> None:
        """Ask about each namespace that was not asked about yet."""
        if known.everything:
            return
        names = sorted(self._namespaces() - known.allowed.keys())
        free = asyncio.Semaphore(_AT_ONCE)

        async def ask(name: str) -> bool:
            async with free:
                return await self._may_list(user, name)

        answers = await asyncio.gather(*map(ask, names), return_exceptions=True)
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            known.allowed[name] = answer

    def _keep(self, user: User, known: _Known) -> None:
        self._known[user] = known
        while len(self._known) > _MOST_USERS:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._locks.pop(oldest, None)
