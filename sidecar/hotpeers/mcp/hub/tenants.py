"""All orchestrators of the hub: keeps the live peers of each up to date, and finds one by its token."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping

from hotpeers_shim.settings import Settings

from ...base.origin import Origin
from ...base.problems import Problem
from ...model.hub_token import derived_key, is_token, uid_of
from ...model.orchestrator import Orchestrator
from ...model.snapshot import CardKey
from ...registry.fault import Fault
from ...sidecar.cards.reader import CardReader
from ...sidecar.reasons import SidecarReason
from ..peers.conversation import Sealer
from ..reasons import McpReason
from .cluster import ClusterWatch
from .offer import Offer, Sight, sight_of
from .tenant import Tenant
from .view import (
    ByNamespace,
    Home,
    by_namespace,
    uninvited_namespaces,
)

logger = logging.getLogger(__name__)

MAX_RUNNING = 1_000
"""The largest number of calls that run at once in one replica, for all orchestrators together."""


class Tenants:
    """The orchestrators, by UID. Call `update` after each change of the cluster or of a card."""

    def __init__(
        self,
        watch: ClusterWatch,
        cards: CardReader,
        settings: Settings,
        *,
        wait: float,
        user_headers_to: frozenset[Origin] = frozenset(),
    ) -> None:
        self._watch = watch
        self._cards = cards
        self._settings = settings
        self._wait = wait
        self._user_headers_to = user_headers_to
        self._tenants: dict[str, Tenant] = {}
        self._offers: dict[Sight, Offer] = {}
        self._by_namespace: ByNamespace = {}
        self._followed: frozenset[CardKey] = frozenset()
        self._keys: tuple[bytes, ...] = ()
        self._sealer = Sealer.ephemeral()
        self.problems: tuple[Problem, ...] = ()
        self.ready = False
        """Whether all orchestrators and their peers are known. Once true, it stays true."""

    def __iter__(self) -> Iterator[Tenant]:
        return iter(tuple(self._tenants.values()))

    def __len__(self) -> int:
        return len(self._tenants)

    @property
    def running(self) -> int:
        """How many calls run now."""
        return sum(tenant.running for tenant in self)

    def find(self, token: str) -> Tenant | None:
        """The orchestrator that has this token; None if no orchestrator has it."""
        tenant = self._tenants.get(uid_of(token))
        if tenant is None:
            return None
        one = tenant.orchestrator
        return tenant if is_token(token, self._watch.keys, one.uid, one.token_version) else None

    async def update(self) -> None:
        """Take over the current state of the cluster and of the cards."""
        watch = self._watch
        snapshot = watch.snapshot
        if snapshot is None or not watch.complete or not watch.keys:
            return
        self._take_keys(watch.keys)
        homes = watch.homes()
        self._by_namespace = by_namespace(snapshot.candidates, self._by_namespace)
        found = {one.uid: one for one in watch.orchestrators()}
        for uid in self._tenants.keys() - found.keys():
            await self._remove(uid)
        problems: list[Problem] = []
        offers: dict[Sight, Offer] = {}
        for uid, one in found.items():
            problems += _uninvited(one, homes)
            sight = sight_of(one, homes, self._by_namespace)
            offer = offers.get(sight)
            if offer is None:
                offer = offers[sight] = self._offers.get(sight) or Offer(
                    sight, self._user_headers_to
                )
                home = homes.get(sight.home)
                if offer.update(snapshot, self._by_namespace, home, self._cards.states):
                    logger.info(
                        "orchestrators in %s: %d peers are live",
                        sight.home,
                        len(offer.catalog.peers),
                    )
                # Calls run in the same event loop, and there may be many orchestrators.
                await asyncio.sleep(0)
            self._take(uid, one, offer)
        self._offers = offers
        self.problems = tuple(problems)
        wanted = frozenset[CardKey]().union(*(offer.resolution.cards for offer in offers.values()))
        if wanted != self._followed:
            self._followed = wanted
            self._cards.follow(wanted)
        self.ready = True

    def _take(self, uid: str, one: Orchestrator, offer: Offer) -> None:
        tenant = self._tenants.get(uid)
        if tenant is None:
            tenant = self._tenants[uid] = Tenant(
                one, offer, self._settings, self._sealer, wait=self._wait, full=self._check_room
            )
            logger.info("orchestrator %s may use the hub", one.key)
        tenant.take(one, offer)

    def _take_keys(self, keys: tuple[bytes, ...]) -> None:
        if keys == self._keys:
            return
        self._keys = keys
        sealer = Sealer([derived_key(key, "conversation") for key in keys])
        if self._tenants:
            logger.info("the hub's key was replaced")
        self._sealer = sealer
        for tenant in self:
            tenant.tools.sealer = sealer

    async def _remove(self, uid: str) -> None:
        tenant = self._tenants.pop(uid)
        logger.info("orchestrator %s was deleted: its token is rejected", tenant.title)
        await tenant.aclose()

    async def wait_until_idle(self) -> None:
        """Wait until no call runs."""
        for tenant in self:
            await tenant.wait_until_idle()

    def hurry(self) -> None:
        """Answer each waiting call with a pointer to `get_answer`."""
        for tenant in self:
            tenant.hurry()

    async def aclose(self) -> None:
        """Close the connections to all peers."""
        for tenant in self:
            await tenant.aclose()

    def _check_room(self) -> None:
        if self.running >= MAX_RUNNING:
            raise Fault(
                McpReason.TOO_MANY_CALLS,
                f"{MAX_RUNNING} calls are running in this replica of the hub. Nothing was sent",
                "Try again when others have ended.",
            )


def _uninvited(one: Orchestrator, homes: Mapping[str, Home]) -> list[Problem]:
    return [
        Problem(
            f"Orchestrator/{one.key}",
            SidecarReason.NAMESPACE_NOT_INVITED,
            f"namespace {name!r} does not exist, or its annotation hotpeers.dev/readers does not name "
            f"{one.key.namespace!r}",
            field="spec.namespaces",
        )
        for name in uninvited_namespaces(one, homes)
    ]
