"""Debts, one after the other, where some cannot be repaid."""

import asyncio
from typing import Any

from hotpeers.controller.hold.repaying import Repaying
from hotpeers.hold.repay import Debt, Terms
from hotpeers.kube.errors import ForbiddenError
from kit.waiting import until_async


class Debts:
    """Two Deployments; a policy of the cluster forbids that the older one is rolled."""

    def __init__(self) -> None:
        self.repaid: list[str] = []

    def debts(self) -> list[Debt]:
        return [Debt("team", "old", 1.0), Debt("team", "new", 2.0)]

    async def idle(self, _key: tuple[str, str]) -> list[float | None]:
        return [9999.0]

    async def repay(self, key: tuple[str, str]) -> bool:
        if key[1] == "old":
            raise ForbiddenError("labels stay")
        self.repaid.append(key[1])
        return True


async def test_failed_rollout_does_not_block_the_others() -> None:
    debts: Any = Debts()
    writer: Any = None
    task = asyncio.create_task(Repaying(writer, debts, Terms(), look=0.01).run())
    try:
        await until_async("a debt to be repaid", lambda: debts.repaid)
    finally:
        task.cancel()
    assert debts.repaid == ["new"]
