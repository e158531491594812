"""The duties of a leader, run in a test beside the webhook as a process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cluster.controller.hold.orchestrator import Orchestrator
from hotpeers.controller.election import LeaderClient
from hotpeers.controller.hold.keeper import Keeper
from hotpeers.controller.hold.repaying import Repaying
from hotpeers.controller.hold.sidecars import Sidecars
from hotpeers.controller.hold.telling import Telling
from hotpeers.controller.metrics import ControllerMetrics
from hotpeers.hold.repay import Terms
from kit.apiserver.accounts import ServiceAccount
from kit.controller.scene import client_of, running
from kit.waiting import until_async

A, B, C = "1111", "2222", "3333"
PLACE = "hold-system"
USER = f"system:serviceaccount:{PLACE}:hotpeers-controller"
RULES = ("hotpeers-controller-hold", "hotpeers-controller-owners")


@dataclass
class Leader:
    keeper: Keeper
    metrics: ControllerMetrics
    results: list[tuple[str, str]] = field(default_factory=list)

    def reasons(self) -> set[str]:
        return {one.reason.value for one in self.keeper.problems()}

    def state(self) -> str:
        found = [one["state"] for one in self.keeper.document()]
        return found[0] if found else ""


@asynccontextmanager
async def leading(
    account: ServiceAccount, ack_seconds: float = 3.0, terms: Terms | None = None
) -> AsyncIterator[Leader]:
    """The duties of a leader; pods of the tests answer on this host."""
    metrics = ControllerMetrics()
    results: list[tuple[str, str]] = []
    noted = metrics.hold_ended
    metrics.hold_ended = lambda *end: (results.append(end), noted(*end))[1]  # type: ignore[method-assign]
    async with (
        client_of(account.kubeconfig()) as client,
        Sidecars(lambda pod: (pod.ip, pod.port) if pod.ip and pod.port else None) as sidecars,
    ):
        writer = LeaderClient(client, lambda: True)
        telling = Telling(writer, metrics)
        keeper = Keeper(client, writer, sidecars, telling, ack_seconds)
        works = [keeper.run(), telling.run()]
        if terms is not None:
            works.append(Repaying(writer, keeper, terms, look=0.3).run())
        async with running(*works):
            yield Leader(keeper, metrics, results)


async def held_and_live(lead: Orchestrator, leader: Leader, config: str = B) -> None:
    lead.sync(config)
    assert (lead.running, lead.held) == (A, config)
    try:
        await until_async("the hold to be live", lambda: leader.state() == "live", 15.0)
    except AssertionError:
        one = lead.read()
        told = (
            one["metadata"]["generation"],
            one["status"],
            leader.keeper.document(),
            leader.keeper.problems(),
            leader.results,
        )
        raise AssertionError(f"it is not live: {told}") from None
