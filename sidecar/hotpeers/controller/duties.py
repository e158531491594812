"""The leader's work for the guard: remove accounts, end agents, update ledgers and statuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..base.problems import Problem
from .election import LeaderClient
from .lifecycle.ends import GONE_SECONDS
from .lifecycle.expiry import Expiry, World
from .lifecycle.finishing import WAIT_SECONDS, Finishing
from .lifecycle.upkeep import Upkeep
from .quota.reservations import Reservations
from .status.policies import PolicyStatuses
from .status.warnings import PATIENCE_SECONDS, Usage, Warnings
from .webhook_config.accounts import Governed


@dataclass(frozen=True, slots=True)
class Telling:
    """Callbacks: for each deleted agent, with the cause; for each lost Event; for the use of policies."""

    deleted: Callable[[str], None] = lambda _: None
    lost: Callable[[], None] = lambda: None
    used: Callable[[Sequence[Usage]], None] = lambda _: None


class GuardDuties:
    """Does this work while the replica leads. Call `look` after each change in the watch cache.

    `gone_after` is the number of seconds that a policy or an orchestrator must be gone. `secrets`
    returns whether names of Secrets are checked; None while that is unknown. `idle_after` is the number
    of seconds that a policy may govern no subject before it is warned about.
    """

    def __init__(  # noqa: PLR0913 - all that it works with
        self,
        writer: LeaderClient,
        world: World,
        governed: Governed,
        reservations: Reservations,
        telling: Telling | None = None,
        *,
        gone_after: float = GONE_SECONDS,
        secrets: Callable[[], bool | None] = lambda: None,
        finish_after: float = WAIT_SECONDS,
        idle_after: float = PATIENCE_SECONDS,
    ) -> None:
        telling = telling or Telling()
        self._writer = writer
        self._governed = governed
        self._upkeep = Upkeep(reservations, world, gone_after=gone_after)
        self._expiry = Expiry(
            writer,
            world,
            self._upkeep,
            deleted=telling.deleted,
            lost=telling.lost,
            gone_after=gone_after,
        )
        self._finishing = Finishing(writer, world, wait=finish_after)
        self._used = telling.used
        self._warnings = Warnings(writer, telling.lost, patience=idle_after)
        self._statuses = PolicyStatuses(
            *(writer, world, governed, reservations, secrets), used=self._note_usages
        )

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        parts = (self._expiry, self._finishing, self._statuses)
        return tuple(one for part in parts for one in part.problems())

    def look(self) -> None:
        """Check at once, because agents or policies may have changed."""
        self._expiry.look()
        self._upkeep.look()
        self._statuses.look()

    def _note_usages(self, usages: Sequence[Usage]) -> None:
        self._used(usages)
        self._warnings.look(usages)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            await self._work()
        finally:
            # The next leader knows the policies.
            self._used(())

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._warnings.run(), name="warn of policies")
            group.create_task(self._governed.lead(self._writer), name="release accounts")
            group.create_task(self._expiry.run(), name="end agents")
            group.create_task(self._finishing.run(), name="finish deletions")
            group.create_task(self._upkeep.run(), name="keep ledgers")
            group.create_task(self._statuses.run(), name="write status of policies")
