"""A ranked cache of the registry's agents, with one load at a time. The last good load is kept."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hotpeers_shim.fleet.ranking import Document, Ranking

from ..registry.client import Registry
from ..registry.entry import Agent, read_entry
from ..registry.fault import Fault
from ..registry.reasons import RegistryReason

logger = logging.getLogger(__name__)

TTL_SECONDS = 60.0
"""The time for which a load is current."""
MAX_ENTRIES = 20_000
"""Maximum number of entries that are read, counting all tags."""
_LOAD_SECONDS = 30.0
_RETRY_SECONDS = 5.0
# Longest wait for a new load if a previous one can be used.
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Listed:
    """One agent of the catalogue: the entry tagged `latest`, or else the newest entry."""

    agent: Agent
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded catalogue. `refused` entries were left out because they do not match the API."""

    listed: tuple[Listed, ...]
    ranking: Ranking
    refused: int
    at: float


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search. `stale` says why the catalogue is outdated, or is ""."""

    hits: tuple[tuple[Listed, float], ...]
    total: int
    refused: int
    age: float
    stale: str


class Catalogue:
    """Searches the agents of a registry; use it as an asynchronous context manager."""

    def __init__(
        self,
        registry: Registry,
        *,
        ttl: float = TTL_SECONDS,
        patience: float = _PATIENCE,
        retry: float = _RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._ttl, self._patience, self._retry = ttl, patience, retry
        self._clock = clock
        self._loaded: Loaded | None = None
        self._loading: asyncio.Task[None] | None = None
        self._fault: Fault | None = None
        self._failed = 0.0

    async def __aenter__(self) -> Catalogue:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        if self._loaded is not None:
            self._loaded.ranking.close()

    async def search(self, query: str, limit: int) -> Found:
        """The best agents for a query. Raises `Fault` if the registry was never read."""
        loaded = await self._current()
        age = self._clock() - loaded.at
        stale = ""
        if age > self._ttl:
            stale = self._fault.message if self._fault else "the registry is being read again"
        hits = loaded.ranking.search(query, limit)
        return Found(
            tuple((loaded.listed[number], score) for number, score in hits),
            len(loaded.listed),
            loaded.refused,
            age,
            stale,
        )

    async def _current(self) -> Loaded:
        loaded = self._loaded
        now = self._clock()
        if loaded is not None and now - loaded.at <= self._ttl:
            return loaded
        if self._loading is None:
            # After a failed load, do not let every search call the registry.
            if self._fault is not None and now - self._failed < self._retry:
                return self._last_good()
            self._loading = asyncio.create_task(self._load(), name="catalogue")
        await asyncio.wait({self._loading}, timeout=self._patience if loaded else None)
        return self._last_good()

    def _last_good(self) -> Loaded:
        if self._loaded is not None:
            return self._loaded
        assert self._fault is not None  # noqa: S101 - a finished load sets one of both
        # Raise a new exception each time: the traceback of one that is raised again would grow.
        raise Fault(self._fault.reason, self._fault.message, self._fault.advice)

    async def _load(self) -> None:
        try:
            loaded = await self._read()
        except Fault as fault:
            logger.warning("the catalogue of agents cannot be read: %s", fault)
            self._fault, self._failed = fault, self._clock()
        else:
            before, self._loaded, self._fault = self._loaded, loaded, None
            if before is not None:
                before.ranking.close()
        finally:
            self._loading = None

    async def _read(self) -> Loaded:
        agents: list[Agent] = []
        refused = 0
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                async for items in self._registry.pages("agents"):
                    if len(agents) + refused + len(items) > MAX_ENTRIES:
                        message = f"the registry lists more than {MAX_ENTRIES} agents"
                        raise Fault(RegistryReason.REGISTRY_ANSWER_BAD, message)
                    for item in items:
                        try:
                            agents.append(read_entry(Agent, item, "agents"))
                        except Fault:
                            refused += 1
        except TimeoutError as error:
            message = f"the registry was not read within {_LOAD_SECONDS:g} s"
            raise Fault(RegistryReason.REGISTRY_UNREACHABLE, message) from error
        listed = tuple(group_tags(agents))
        ranking = await asyncio.to_thread(Ranking, [document_of(one.agent) for one in listed])
        return Loaded(listed, ranking, refused, self._clock())


def group_tags(agents: Iterable[Agent]) -> list[Listed]:
    """One item for each agent with all its tags, sorted by name."""
    by_name: dict[tuple[str, str], list[Agent]] = {}
    for agent in agents:
        by_name.setdefault((agent.metadata.namespace, agent.metadata.name), []).append(agent)
    listed = []
    for _, same in sorted(by_name.items()):
        best = max(same, key=lambda one: (_is_latest(one), one.metadata.updatedAt))
        tags = dict.fromkeys(sorted(one.metadata.tag for one in same if one.metadata.tag))
        listed.append(Listed(best, tuple(tags)))
    return listed


def document_of(agent: Agent) -> Document:
    """The searchable text of an agent."""
    spec = agent.spec
    uses = [ref.name for ref in (*spec.mcpServers, *spec.skills)]
    return Document(agent.metadata.name, spec.title, spec.description, " ".join(uses))


def _is_latest(agent: Agent) -> bool:
    return agent.metadata.tag in ("", "latest")
