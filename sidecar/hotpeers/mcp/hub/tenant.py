"""One orchestrator at the hub: its live peers, its tools, its limits and its counts."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from hotpeers_shim.calls.pool import Pool
from hotpeers_shim.catalog import Catalog
from hotpeers_shim.contract import CallFailure, CallProblem, Peer, clean_text
from hotpeers_shim.settings import Settings

from ...model.orchestrator import Orchestrator
from ...registry.fault import Fault
from ...sidecar.resolve.eligibility import Refused
from ..peers.conversation import Sealer
from ..peers.exchanges import Exchanges
from ..peers.tools import PeerTools
from ..reasons import McpReason
from .offer import Offer
from .pace import Pace

MAX_FAILURES = 20
"""The largest number of peers whose failing calls are reported."""
_MAX_KEPT_CHARACTERS = 4 * 1024 * 1024


@dataclass(slots=True)
class Counts:
    """The calls of an orchestrator through this replica. `failing` is by the peer's tool name."""

    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    failing: dict[str, CallFailure] = field(default_factory=dict)


class Tenant:
    """One orchestrator. Use it as an asynchronous context manager.

    It is a `Fleet`: the peer tools read its live peers, and report calls to it. `full` raises
    `Fault` if the hub as a whole can begin no further call.
    """

    def __init__(  # noqa: PLR0913 - what it wires
        self,
        orchestrator: Orchestrator,
        offer: Offer,
        settings: Settings,
        sealer: Sealer,
        *,
        wait: float,
        full: Callable[[], None] = lambda: None,
    ) -> None:
        self.orchestrator = orchestrator
        self.counts = Counts()
        self._offer = offer
        self._followed = Catalog()
        self.generation = time.time_ns() // 1_000_000
        """The generation of its list. It grows also when it gets another offer, of an older list."""
        self._changed = asyncio.Event()
        self._full = full
        self._pace = Pace(orchestrator.calls_per_minute)
        self._pool = Pool(settings)
        self._exchanges = Exchanges(
            self._pool,
            settings,
            most_running=orchestrator.concurrent_calls,
            most_characters=_MAX_KEPT_CHARACTERS,
            admit=self._admit,
        )
        self.tools = PeerTools(
            self, self._exchanges, sealer, wait=wait, max_depth=orchestrator.depth
        )

    async def aclose(self) -> None:
        """Stop waiting for the peers, and close their connections."""
        self._wake()
        await self._exchanges.__aexit__()
        await self._pool.aclose()

    async def wait_until_idle(self) -> None:
        """Wait until none of its calls runs."""
        await self._exchanges.wait_until_idle()

    def hurry(self) -> None:
        """Answer each waiting call with a pointer to `get_answer`."""
        self._exchanges.hurry()

    @property
    def title(self) -> str:
        """`namespace/name` of the orchestrator."""
        return str(self.orchestrator.key)

    @property
    def running(self) -> int:
        """How many calls run now."""
        return self._exchanges.running

    @property
    def peers(self) -> tuple[Peer, ...]:
        """The live peers."""
        return self._offer.resolution.peers

    @property
    def refused(self) -> tuple[Refused, ...]:
        """The candidates that are not offered, with the reason of each."""
        return self._offer.resolution.refused

    @property
    def offer(self) -> Offer:
        """Its live peers, which it may share with other orchestrators."""
        return self._offer

    def take(self, orchestrator: Orchestrator, offer: Offer) -> None:
        """Take over the current Orchestrator and its offer."""
        if orchestrator is not self.orchestrator or offer.catalog is not self._followed:
            self._wake()
        if orchestrator is not self.orchestrator:
            self._pace.change(orchestrator.calls_per_minute)
            self._exchanges.most_running = orchestrator.concurrent_calls
            self.tools.max_depth = orchestrator.depth
            self.orchestrator = orchestrator
        self._offer = offer
        catalog = offer.catalog
        if catalog is not self._followed:
            self._followed = catalog
            self.generation = max(self.generation + 1, catalog.generation or 0)
            self._pool.follow(catalog)
            for name in self.counts.failing.keys() - catalog.peers.keys():
                del self.counts.failing[name]

    async def wait_for_change(self, seconds: float) -> None:
        """Wait until the Orchestrator, its token or its live peers change, at most `seconds`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # -- Fleet
    def catalog(self) -> Catalog:
        """The live peers."""
        return self._offer.catalog

    def note_called(self, tool: str, /) -> None:
        """Count a call that was answered, which clears the peer's failure."""
        self.counts.answered += 1
        self.counts.failing.pop(tool, None)

    def note_failed(self, tool: str, problem: CallProblem, message: str, /) -> None:
        """Count a call that failed."""
        self.counts.failed[problem.value] += 1
        failing = self.counts.failing
        before = failing.get(tool)
        if before is None and len(failing) >= MAX_FAILURES:
            return
        count = before.count + 1 if before is not None else 1
        failing[tool] = CallFailure(
            tool, problem.value, clean_text(message, 400), count, time.time()
        )

    def _admit(self) -> None:
        self._full()
        wait = self._pace.begin()
        if wait:
            limit = self.orchestrator.calls_per_minute
            raise Fault(
                McpReason.TOO_MANY_CALLS,
                f"this orchestrator has used up its {limit} calls per minute. Nothing was sent",
                f"Try again in {max(round(wait), 1)} s.",
            )
