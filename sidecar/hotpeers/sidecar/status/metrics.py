"""Publishes the status as metrics, and each change of it as a log line."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from hotpeers_shim.contract import Ack, ConfigState, Nack, Peer, PeerProblem

from ...base.metrics import WatchMetrics, count_words, event_failures
from ...base.problems import log_problems
from ..acks.configuration import config_problems, new_configs, where_of
from ..acks.failures import failing_calls, reason_label
from ..acks.reader import Acks
from ..resolve.changes import PeerChanges
from ..resolve.eligibility import Refused
from .document import Status
from .peers import title_of

logger = logging.getLogger(__name__)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MAX_SERIES = 100
_WORDS = {word.value for word in (*Nack, *PeerProblem)}


class Metrics(WatchMetrics):
    """The metrics of one sidecar."""

    def __init__(self) -> None:
        super().__init__()
        own = self.registry
        self._peers = Gauge("hotpeers_peers", "Peers in the peer file", registry=own)
        self._ready = Gauge(
            "hotpeers_peers_ready", "Peers whose agent card can be read", registry=own
        )
        self._generation = Gauge("hotpeers_generation", "Generation of the peer file", registry=own)
        self._acked = Gauge(
            "hotpeers_acked_generation",
            "Generation that every agent process has live",
            registry=own,
        )
        self._agents = Gauge("hotpeers_agents", "Agent processes by state", ["state"], registry=own)
        self._configs = Gauge(
            "hotpeers_config_agents",
            "Agent processes whose own configuration is followed, by its state",
            ["state"],
            registry=own,
        )
        self._config_changes = Counter(
            "hotpeers_config_changes_total",
            "Changes of the agent's own configuration, by what became of them",
            ["state"],
            registry=own,
        )
        self._refused = Gauge(
            "hotpeers_refused_peers", "Candidates that are not offered", ["reason"], registry=own
        )
        self._calls = Gauge(
            "hotpeers_call_failures",
            "Calls of a peer that failed since the last one that did not",
            ["peer", "reason"],
            registry=own,
        )
        self._nacks = Counter(
            "hotpeers_nacks_total", "Files refused by agents", ["reason"], registry=own
        )
        self._failures = Counter(
            "hotpeers_projection_failures_total",
            "Writes of the peer file that failed",
            registry=own,
        )
        self._lost = event_failures(own)
        self._turns = Gauge("hotpeers_turns", "Turns in flight in the agent", registry=own)
        self._drains = Counter(
            "hotpeers_drains_total",
            "Drains of the agent, by how they ended",
            ["outcome"],
            registry=own,
        )
        self._projection = Histogram(
            "hotpeers_projection_seconds", "From event to peer file", buckets=_SECONDS, registry=own
        )
        self._reload = Histogram(
            "hotpeers_reload_seconds", "From event to ack", buckets=_SECONDS, registry=own
        )

    def show(self, status: Status) -> None:
        """Set the gauges from the status."""
        self._peers.set(len(status.peers))
        self._ready.set(sum(peer.ready for peer in status.peers))
        self._generation.set(status.generation)
        self._acked.set(status.acks.generation or 0)
        self._turns.set(status.turns.active)
        count_words(self._agents, (ack.state.value for ack in status.acks.acks))
        count_words(self._refused, (item.reason.value for item in status.refused))
        self._show_calls(status)
        self.show_problems(status.all_problems)
        configs = (ack.config for ack in status.acks.acks)
        count_words(self._configs, (one.state.value for one in configs if one is not None))

    def _show_calls(self, status: Status) -> None:
        self._calls.clear()
        # Only peers in the file become series, because an agent can write any number of names.
        known = {peer.toolName for peer in status.peers}
        shown = [one for one in failing_calls(status.acks).values() if one.subject in known]
        for failure in shown[:_MAX_SERIES]:
            labels = (failure.subject, reason_label(failure.reason))
            self._calls.labels(*labels).set(failure.count)

    def drained(self, outcome: str) -> None:
        """A drain ended."""
        self._drains.labels(outcome).inc()

    def projected(self, seconds: float) -> None:
        """A change reached the peer file."""
        self._projection.observe(seconds)

    def reloaded(self, seconds: float) -> None:
        """A change is live in every agent process."""
        self._reload.observe(seconds)

    def projection_failed(self) -> None:
        """The peer file could not be written."""
        self._failures.inc()

    def event_lost(self) -> None:
        """A Kubernetes Event could not be written."""
        self._lost.inc()

    def configured(self, state: ConfigState) -> None:
        """The configuration of an agent process changed to this state."""
        self._config_changes.labels(state.value).inc()

    def nacked(self, reason: str) -> None:
        """An agent process rejected the newest peer file, or its shim failed."""
        # Only known reasons become labels, because an agent can write any text.
        self._nacks.labels(reason if reason in _WORDS else "Other").inc()


def log_peers(changes: PeerChanges, generation: int) -> None:
    """Log each peer that was added, changed or removed."""
    for peer in changes.added:
        _log_peer("peer added", peer, generation)
    for peer in changes.changed:
        _log_peer("peer changed", peer, generation)
    for peer in changes.removed:
        _log_peer("peer removed", peer, generation)


def _log_peer(what: str, peer: Peer, generation: int) -> None:
    title = title_of(peer)
    logger.info(
        "%s: %s at %s (ready=%s, generation %d, from %s)",
        what,
        title,
        peer.url,
        str(peer.ready).lower(),
        generation,
        peer.source,
        extra={"peer": title, "generation": generation, "source": peer.source},
    )


def log_refused(items: Iterable[Refused]) -> None:
    """Log each refused candidate."""
    for item in items:
        logger.warning(
            "peer refused: %s: %s: %s (from %s)",
            item.title,
            item.reason.value,
            item.message,
            item.source,
            extra={"peer": item.title, "reason": item.reason.value},
        )


def log_configs(before: Acks, after: Acks, metrics: Metrics) -> None:
    """Log and count the changes in the configurations of agent processes."""
    for config in new_configs(before, after):
        metrics.configured(config.state)
    places = {where_of(ack.pid) for ack in after.acks}
    log_problems(
        config_problems(before), config_problems(after), lambda problem: problem.where in places
    )


def new_nacks(before: Acks, after: Acks) -> list[Ack]:
    """The acks with a rejection that is not in `before`; each is logged."""
    old = {(ack.pid, ack.reason, ack.message) for ack in before.refusing}
    fresh = [ack for ack in after.refusing if (ack.pid, ack.reason, ack.message) not in old]
    for ack in fresh:
        logger.warning(
            "agent process %d: %s: %s: %s (live: generation %s)",
            ack.pid,
            ack.state.value,
            ack.reason,
            ack.message,
            ack.generation,
            extra={"pid": ack.pid, "reason": ack.reason},
        )
    return fresh
