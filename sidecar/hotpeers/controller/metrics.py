"""The metrics of a controller, in a registry of their own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from cryptography import x509
from prometheus_client import Counter, Gauge, Histogram

from ..base.metrics import ProcessMetrics, event_failures
from ..base.problems import Problem
from ..inject.review import Review

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
_MAX_SERIES = 100


class Usage(Protocol):
    """The use of one SpawnPolicy (`status.warnings`)."""

    @property
    def key(self) -> str:
        """`namespace/name`."""
        ...

    @property
    def alive(self) -> int | None:
        """The agents that exist; None if unknown."""
        ...

    @property
    def most(self) -> int | None:
        """The agents that may exist; None without a limit."""
        ...

    @property
    def share(self) -> float:
        """The used share of them."""
        ...

    @property
    def governs(self) -> bool:
        """Whether the policy governs any subject."""
        ...


class ControllerMetrics(ProcessMetrics):
    """The metrics of one controller."""

    def __init__(self) -> None:
        super().__init__()
        own = self.registry
        self._injections = Counter(
            "hotpeers_injections_total",
            "Pods that were asked about, by what became of them",
            ["result", "reason"],
            registry=own,
        )
        self._seconds = Histogram(
            "hotpeers_injection_seconds",
            "From the whole request to the answer",
            buckets=_SECONDS,
            registry=own,
        )
        self._decided = Counter(
            "hotpeers_guard_requests_total",
            "Requests of governed subjects, by what was decided",
            ["operation", "decision", "reason"],
            registry=own,
        )
        self._decided_in = Histogram(
            "hotpeers_guard_seconds",
            "From the whole request to the answer",
            ["phase"],
            buckets=_SECONDS,
            registry=own,
        )
        self._lost = event_failures(own)
        self._ended = Counter(
            "hotpeers_spawned_deleted_total",
            "Spawned agents that this replica deleted, by why",
            ["reason"],
            registry=own,
        )
        self._governed = Gauge(
            "hotpeers_governed_accounts",
            "ServiceAccounts whose requests are sent to the guard",
            registry=own,
        )
        self._hold_asked = Counter(
            "hotpeers_hold_requests_total",
            "Updates of Deployments that were asked about, by what became of them",
            ["result"],
            registry=own,
        )
        self._hold_seconds = Histogram(
            "hotpeers_hold_seconds",
            "From the whole request to the answer",
            buckets=_SECONDS,
            registry=own,
        )
        self._hold_ends = Counter(
            "hotpeers_hold_results_total",
            "What came of holds: live, released, repaid, reverted or overtaken, and why",
            ["result", "reason"],
            registry=own,
        )
        self._hold_live = Histogram(
            "hotpeers_hold_live_seconds",
            "From the update of a held Deployment until all of its pods have the configuration",
            buckets=(0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 600.0),
            registry=own,
        )
        self._held = Gauge(
            "hotpeers_held_deployments",
            "Deployments that are held; 0 where this replica does not lead",
            registry=own,
        )
        self._waiting = Gauge(
            "hotpeers_hold_waiting_seconds",
            "Longest time for which a hold is neither live nor released",
            registry=own,
        )
        self._policy_agents = Gauge(
            "hotpeers_policy_agents",
            "Agents that exist under a SpawnPolicy, of the hundred that are used up most",
            ["policy"],
            registry=own,
        )
        self._policy_limit = Gauge(
            "hotpeers_policy_agents_limit",
            "Agents that this SpawnPolicy allows",
            ["policy"],
            registry=own,
        )
        self._idle_policies = Gauge(
            "hotpeers_policies_without_subjects",
            "SpawnPolicies that govern no subject; 0 where this replica does not lead",
            registry=own,
        )
        self._connections = Gauge(
            "hotpeers_webhook_connections",
            "Open connections of the webhook port: silent without TLS yet, fresh without an answer yet, kept",
            ["stage"],
            registry=own,
        )
        self._dropped = Counter(
            "hotpeers_webhook_dropped_total",
            "Connections of the webhook port closed for newer ones of a stage, or because they were late",
            ["why"],
            registry=own,
        )
        self._reloads = Counter(
            "hotpeers_certificate_reloads_total", "Certificates taken into use", registry=own
        )
        self._leader = Gauge(
            "hotpeers_controller_leader",
            "1 where this replica leads, 0 where another may, NaN where nothing is to be led",
            registry=own,
        )
        self._leader.set(math.nan)
        self._expiry = Gauge(
            "hotpeers_certificate_expiry_seconds",
            "Until the certificate that is served runs out",
            registry=own,
        )
        # 0 would mean that the certificate has expired.
        self._expiry.set(math.nan)
        self._bindings = Gauge(
            "hotpeers_reader_bindings",
            "Bindings of orchestrators; 0 where this replica does not lead",
            registry=own,
        )

    def reviewed(self, review: Review, seconds: float) -> None:
        """An injection request was answered."""
        reason = review.reason.value if review.reason is not None else ""
        self._injections.labels(review.result.value, reason).inc()
        self._seconds.observe(seconds)

    def decided(self, operation: str, decision: str, reason: str) -> None:
        """The guard decided on a request, or failed to."""
        self._decided.labels(operation, decision, reason).inc()

    def decided_in(self, phase: str, seconds: float) -> None:
        """The guard answered a request."""
        self._decided_in.labels(phase).observe(seconds)

    def spawned_deleted(self, reason: str) -> None:
        """A spawned agent was deleted."""
        self._ended.labels(reason).inc()

    def count_governed(self, count: Callable[[], float]) -> None:
        """Register `count`, which returns the number of governed accounts."""
        self._governed.set_function(count)

    def hold_asked(self, result: str, seconds: float) -> None:
        """A request about a Deployment was answered."""
        self._hold_asked.labels(result).inc()
        self._hold_seconds.observe(seconds)

    def hold_ended(self, result: str, reason: str) -> None:
        """A hold is live, or ended."""
        self._hold_ends.labels(result, reason).inc()

    def hold_live_in(self, seconds: float) -> None:
        """All pods of a held Deployment have its configuration, after so many seconds."""
        self._hold_live.observe(seconds)

    def count_held(self, count: Callable[[], float], waiting: Callable[[], float]) -> None:
        """Register `count`, the number of held Deployments, and `waiting`, the longest wait of one."""
        self._held.set_function(count)
        self._waiting.set_function(waiting)

    def show_policies(self, usages: Sequence[Usage]) -> None:
        """Set the gauges of SpawnPolicies. Tenants can make many, so only some become series."""
        self._policy_agents.clear()
        self._policy_limit.clear()
        counted = [one for one in usages if one.alive is not None and one.most is not None]
        counted.sort(key=lambda one: (-one.share, one.key))
        for one in counted[:_MAX_SERIES]:
            self._policy_agents.labels(one.key).set(one.alive or 0)
            self._policy_limit.labels(one.key).set(one.most or 0)
        self._idle_policies.set(sum(not one.governs for one in usages))

    def count_connections(self, stage: str, count: Callable[[], float]) -> None:
        """Register `count`, which returns the number of the port's connections in a stage."""
        self._connections.labels(stage).set_function(count)

    def connection_dropped(self, why: str) -> None:
        """A connection of the webhook port was closed: it was late, or displaced by another."""
        self._dropped.labels(why).inc()

    def event_lost(self) -> None:
        """An Event could not be written."""
        self._lost.inc()

    def certificate_replaced(self, certificate: bytes) -> None:
        """A new certificate is served."""
        self._reloads.inc()
        ends = x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp()
        self._expiry.set_function(lambda: ends - time.time())

    def show(self, leading: bool, bindings: int, problems: Iterable[Problem]) -> None:
        """Set the gauges to the state of a replica."""
        self._leader.set(leading)
        self._bindings.set(bindings)
        self.show_problems(problems)
