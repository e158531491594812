"""The metrics of a hub, in a registry of their own."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ...base.metrics import WatchMetrics, event_failures
from .tenant import Tenant


class HubMetrics(WatchMetrics):
    """The metrics of one hub; `tenants` are read at each request."""

    def __init__(self, tenants: Iterable[Tenant]) -> None:
        super().__init__()
        self._rejected = Counter(
            "hotpeers_hub_rejected_total",
            "Requests without the token of an orchestrator",
            registry=self.registry,
        )
        self._lost = event_failures(self.registry)
        self.registry.register(_PerOrchestrator(tenants))

    def rejected(self) -> None:
        """A request had no valid token."""
        self._rejected.inc()

    def event_lost(self) -> None:
        """An Event could not be written."""
        self._lost.inc()


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
