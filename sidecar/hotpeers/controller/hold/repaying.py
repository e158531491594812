"""Repays debts while this replica leads: rolls idle held Deployments, one at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from ...base.names import NamespacedName
from ...hold.repay import Terms, due_debts, idle_enough
from ...hold.workload import read_deployment
from ...kube.errors import KubeError, NotFoundError
from ..election import LeaderClient
from .keeper import Keeper

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 15.0
_MOST_ASKED = 20
_LONGEST_ROLLOUT = 1800.0
"""A rollout may delay the others for so long. A drain of ten minutes and a start fit in."""


class Repaying:
    """Rolls one Deployment, waits until its rollout is done, and continues with the next."""

    def __init__(
        self,
        writer: LeaderClient,
        keeper: Keeper,
        terms: Terms,
        *,
        look: float = _LOOK_SECONDS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._writer = writer
        self._keeper = keeper
        self._terms = terms
        self._look = look
        self._clock = clock
        self._skipped = 0

    async def run(self) -> None:
        """Repay until cancelled."""
        while self._terms.enabled:
            await asyncio.sleep(self._look)
            try:
                key = await self._repay_one()
                if key is not None:
                    await self._rolled(key)
            except KubeError as error:
                extra = {"reason": error.reason.value}
                logger.warning("a held Deployment cannot be repaid: %s", error, extra=extra)

    async def _repay_one(self) -> NamespacedName | None:
        """Roll the oldest debt with idle pods. Returns its key; None if there is no such debt."""
        due = due_debts(self._keeper.debts(), self._terms, self._clock())
        if not due:
            return None
        # Start after the debts that were asked last time, so that busy ones do not block the
        # others.
        begin = self._skipped % len(due)
        self._skipped += _MOST_ASKED
        for debt in (due[begin:] + due[:begin])[:_MOST_ASKED]:
            key = NamespacedName(debt.namespace, debt.name)
            if await self._is_repaid(key):
                self._skipped = 0
                return key
        if len(due) <= _MOST_ASKED:
            self._skipped = 0
        return None

    async def _is_repaid(self, key: NamespacedName) -> bool:
        try:
            idle = await self._keeper.idle(key)
            return idle_enough(idle, self._terms) and await self._keeper.repay(key)
        except KubeError as error:
            # A Deployment that cannot be rolled must not block the others.
            extra = {"reason": error.reason.value}
            logger.warning("Deployment %s cannot be repaid: %s", key, error, extra=extra)
            return False

    async def _rolled(self, key: NamespacedName) -> None:
        """Wait until the rollout of a Deployment ends, at most `_LONGEST_ROLLOUT` seconds."""
        until = time.monotonic() + _LONGEST_ROLLOUT
        path = f"/apis/apps/v1/namespaces/{key.namespace}/deployments/{key.name}"
        while time.monotonic() < until:
            await asyncio.sleep(self._look)
            try:
                one = read_deployment(await self._writer.get(path))
            except NotFoundError:
                return
            if one.stuck or (not one.rolling and one.available >= one.replicas):
                return
