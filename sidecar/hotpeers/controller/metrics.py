"""The metrics of a controller, in a registry of their own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from .. import __version__
from ..inject.review import Review

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class ControllerMetrics:
    """What one controller counts."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
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
        self._reloads = Counter(
            "hotpeers_certificate_reloads_total", "Certificates taken into use", registry=own
        )
        Gauge("hotpeers_build_info", "Version", ["version"], registry=own).labels(__version__).set(
            1
        )

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def reviewed(self, review: Review, seconds: float) -> None:
        """A request was answered."""
        reason = review.reason.value if review.reason is not None else ""
        self._injections.labels(review.result.value, reason).inc()
        self._seconds.observe(seconds)

    def certificate_replaced(self) -> None:
        """Another certificate is served from now on."""
        self._reloads.inc()
