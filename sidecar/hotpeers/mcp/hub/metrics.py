"""The metrics of a hub, in a registry of their own."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from ... import __version__
from ...base.problems import Problem
from ...base.reasons import Reason
from .tenant import Tenant


class HubMetrics:
    """The metrics of one hub; `tenants` are read at each request."""

    def __init__(self, tenants: Iterable[Tenant]) -> None:
        self.registry = own = CollectorRegistry()
        self._rejected = Counter(
            "hotpeers_hub_rejected_total",
            "Requests without the token of an orchestrator",
            registry=own,
        )
        self._watches = Counter(
            "hotpeers_watch_restarts_total",
            "Watches that ended otherwise than they should",
            ["reason"],
            registry=own,
        )
        self._lost = Counter(
            "hotpeers_event_failures_total",
            "Kubernetes Events that could not be made",
            registry=own,
        )
        self._problems = Gauge("hotpeers_problems", "What is wrong now", ["reason"], registry=own)
        Gauge("hotpeers_build_info", "Version", ["version"], registry=own).labels(__version__).set(
            1
        )
        own.register(_PerOrchestrator(tenants))

    def text(self, problems: Iterable[Problem]) -> bytes:
        """The metrics in Prometheus' text format."""
        self._problems.clear()
        for word, count in Tally(problem.reason.value for problem in problems).items():
            self._problems.labels(word).set(count)
        return generate_latest(self.registry)

    def rejected(self) -> None:
        """A request had no valid token."""
        self._rejected.inc()

    def event_lost(self) -> None:
        """An Event could not be written."""
        self._lost.inc()

    def watch_restarted(self, reason: Reason) -> None:
        """A watch ended with an error, and is restarted."""
        self._watches.labels(reason.value).inc()


class _PerOrchestrator(Collector):
    """Series for each Orchestrator that exists. Those of a deleted one end with it."""

    def __init__(self, tenants: Iterable[Tenant]) -> None:
        self._tenants = tenants

    def collect(self) -> Iterable[Metric]:
        labels = ["orchestrator"]
        peers = GaugeMetricFamily("hotpeers_hub_peers", "Live peers", labels=labels)
        refused = GaugeMetricFamily(
            "hotpeers_hub_refused_peers", "Candidates that are not offered", labels=labels
        )
        running = GaugeMetricFamily("hotpeers_hub_running_calls", "Calls that run", labels=labels)
        answered = CounterMetricFamily(
            "hotpeers_hub_calls", "Calls that were answered", labels=labels
        )
        failed = CounterMetricFamily(
            "hotpeers_hub_call_failures", "Calls that failed", labels=[*labels, "reason"]
        )
        for tenant in self._tenants:
            peers.add_metric([tenant.title], len(tenant.peers))
            refused.add_metric([tenant.title], len(tenant.refused))
            running.add_metric([tenant.title], tenant.running)
            answered.add_metric([tenant.title], tenant.counts.answered)
            for reason, count in tenant.counts.failed.items():
                failed.add_metric([tenant.title, reason], count)
        return [peers, refused, running, answered, failed]
