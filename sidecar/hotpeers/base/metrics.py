"""The metrics that every process has, in a registry of its own."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import generate_latest

from .. import __version__
from .problems import Problem
from .reasons import Word


class ProcessMetrics:
    """The version and the problems of one process. A subclass adds others to `registry`."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self._problems = Gauge("hotpeers_problems", "What is wrong now", ["reason"], registry=own)
        build = Gauge("hotpeers_build_info", "Version", ["version"], registry=own)
        build.labels(__version__).set(1)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Set the gauge of the current problems."""
        count_words(self._problems, (problem.reason.value for problem in problems))


class WatchMetrics(ProcessMetrics):
    """Also the watches of a process."""

    def __init__(self) -> None:
        super().__init__()
        self._watches = Counter(
            "hotpeers_watch_restarts_total",
            "Watches that ended with an error",
            ["reason"],
            registry=self.registry,
        )

    def watch_restarted(self, reason: Word) -> None:
        """A watch ended with an error, and is restarted."""
        self._watches.labels(reason.value).inc()


def event_failures(registry: CollectorRegistry) -> Counter:
    """The counter of a process that writes Events."""
    return Counter(
        "hotpeers_event_failures_total",
        "Kubernetes Events that could not be made",
        registry=registry,
    )


def count_words(gauge: Gauge, words: Iterable[str]) -> None:
    """Set a gauge with one label to how often each word is there."""
    gauge.clear()
    for word, count in Tally(words).items():
        gauge.labels(word).set(count)
