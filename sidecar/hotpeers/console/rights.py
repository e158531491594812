"""Which namespaces each user may see, kept for a short time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..kube.errors import KubeError
from .kept import RETRY_SECONDS, Kept
from .reviews import User
from .world import Visible

_AT_ONCE = 16
_MOST_USERS = 1_000

MayList = Callable[[User, str], Awaitable[bool]]


@dataclass
class _Known:
    """The answers about a user. New namespaces are asked about at `pause` or later."""

    everything: bool
    allowed: dict[str, bool] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    pause: float = 0.0


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
        self._kept: dict[User, Kept[_Known]] = {}

    async def of(self, user: User) -> Visible:
        """The namespaces that a user may see. Raises `KubeError` if that is not known."""
        known = await self._kept_of(user).get(lambda: self._read(user))
        if known.everything:
            return Visible(everything=True)
        await self._learn_new(user, known)
        return Visible(namespaces=frozenset(name for name, yes in known.allowed.items() if yes))

    async def _read(self, user: User) -> _Known:
        known = _Known(await self._may_list(user, ""))
        if not known.everything:
            await self._ask(user, known)
        return known

    async def _learn_new(self, user: User, known: _Known) -> None:
        """Ask about namespaces that are newer than the answers. Until there is one, they are hidden."""
        async with known.lock:
            if self._clock() < known.pause:
                return
            try:
                await self._ask(user, known)
            except KubeError:
                known.pause = self._clock() + RETRY_SECONDS

    async def _ask(self, user: User, known: _Known) -> None:
        """Ask about each namespace that was not asked about yet. Raises `KubeError`."""
        free = asyncio.Semaphore(_AT_ONCE)

        async def ask(name: str) -> None:
            async with free:
                known.allowed[name] = await self._may_list(user, name)

        try:
            # The first failure ends the others: each could take seconds while the API server is away.
            async with asyncio.TaskGroup() as group:
                for name in sorted(self._namespaces() - known.allowed.keys()):
                    group.create_task(ask(name), name="ask about a namespace")
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def _kept_of(self, user: User) -> Kept[_Known]:
        # The user who came last is kept longest.
        kept = self._kept.pop(user, None) or Kept(self._clock)
        self._kept[user] = kept
        while len(self._kept) > _MOST_USERS:
            del self._kept[next(iter(self._kept))]
        return kept
