"""The metrics of a console, in a registry of their own."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import generate_latest

from .. import __version__
from ..base.problems import Problem
from ..base.reasons import Reason

SIGN_INS = ("accepted", "refused", "limited", "failed")
"""The results of a sign-in. `failed`: the API server could not be asked."""
REQUESTS = ("TokenReview", "SubjectAccessReview")


class ConsoleMetrics:
    """The metrics of one console."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self.sessions = Gauge(
            "hotpeers_console_sessions", "Sessions of signed-in users", registry=own
        )
        self.streams = Gauge(
            "hotpeers_console_streams", "Open pages that update themselves", registry=own
        )
        self._sign_ins = Counter(
            "hotpeers_console_sign_ins_total", "Sign-ins by result", ["result"], registry=own
        )
        self._revoked = Counter(
            "hotpeers_console_revoked_sessions_total",
            "Sessions that ended because the API server no longer accepts their token",
            registry=own,
        )
        self._failures = Counter(
            "hotpeers_console_api_failures_total",
            "Questions to the API server about tokens and rights that failed",
            ["request"],
            registry=own,
        )
        self._watches = Counter(
            "hotpeers_watch_restarts_total",
            "Watches that ended otherwise than they should",
            ["reason"],
            registry=own,
        )
        self._problems = Gauge("hotpeers_problems", "What is wrong now", ["reason"], registry=own)
        build = Gauge("hotpeers_build_info", "Version", ["version"], registry=own)
        build.labels(__version__).set(1)
        for result in SIGN_INS:
            self._sign_ins.labels(result)
        for request in REQUESTS:
            self._failures.labels(request)

    def text(self, problems: Iterable[Problem]) -> bytes:
        """The metrics in Prometheus' text format."""
        self._problems.clear()
        for word, count in Tally(problem.reason.value for problem in problems).items():
            self._problems.labels(word).set(count)
        return generate_latest(self.registry)

    def signed_in(self, result: str) -> None:
        """A sign-in had this result, one of `SIGN_INS`."""
        self._sign_ins.labels(result).inc()

    def revoked(self) -> None:
        """A session ended before its time."""
        self._revoked.inc()

    def failed(self, request: str) -> None:
        """A request of this kind, one of `REQUESTS`, failed."""
        self._failures.labels(request).inc()

    def watch_restarted(self, reason: Reason) -> None:
        """A watch ended with an error, and is restarted."""
        self._watches.labels(reason.value).inc()
