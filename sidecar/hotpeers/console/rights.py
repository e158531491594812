"""Which namespaces each user may see, cached for a short time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..kube.errors import KubeError
from .cached_answer import RETRY_SECONDS, CachedAnswer
from .reviews import User
from .world import Visible

_AT_ONCE = 16
_MOST_USERS = 1_000

MayList = Callable[[User, str], Awaitable[bool]]


@dataclass
class _Answers:
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
        self._answers: dict[User, CachedAnswer[_Answers]] = {}

    async def of(self, user: User) -> Visible:
        """The namespaces that a user may see. Raises `KubeError` if that is not known."""
        answers = await self._answers_of(user).get(lambda: self._read(user))
        if answers.everything:
            return Visible(everything=True)
        await self._learn_new(user, answers)
        return Visible(namespaces=frozenset(name for name, yes in answers.allowed.items() if yes))

    async def _read(self, user: User) -> _Answers:
        answers = _Answers(await self._may_list(user, ""))
        if not answers.everything:
            await self._ask(user, answers)
        return answers

    async def _learn_new(self, user: User, answers: _Answers) -> None:
        """Ask about namespaces that are newer than the answers. Until there is one, they are hidden."""
        async with answers.lock:
            if self._clock() < answers.pause:
                return
            try:
                await self._ask(user, answers)
            except KubeError:
                answers.pause = self._clock() + RETRY_SECONDS

    async def _ask(self, user: User, answers: _Answers) -> None:
        """Ask about each namespace that was not asked about yet. Raises `KubeError`."""
        free = asyncio.Semaphore(_AT_ONCE)

        async def ask(name: str) -> None:
            async with free:
                answers.allowed[name] = await self._may_list(user, name)

        try:
            # The first failure ends the others: each could take seconds while the API server is away.
            async with asyncio.TaskGroup() as group:
                for name in sorted(self._namespaces() - answers.allowed.keys()):
                    group.create_task(ask(name), name="ask about a namespace")
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def _answers_of(self, user: User) -> CachedAnswer[_Answers]:
        # The user who came last is kept longest.
        cached = self._answers.pop(user, None) or CachedAnswer(self._clock)
        self._answers[user] = cached
        while len(self._answers) > _MOST_USERS:
            del self._answers[next(iter(self._answers))]
        return cached
