"""The metrics of a console, in a registry of their own."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from ..base.metrics import WatchMetrics

SIGN_INS = ("accepted", "refused", "limited", "failed")
"""The results of a sign-in. `failed`: the API server could not be asked."""
REQUESTS = ("TokenReview", "SubjectAccessReview")


class ConsoleMetrics(WatchMetrics):
    """The metrics of one console."""

    def __init__(self) -> None:
        super().__init__()
        own = self.registry
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
        for result in SIGN_INS:
            self._sign_ins.labels(result)
        for request in REQUESTS:
            self._failures.labels(request)

    def signed_in(self, result: str) -> None:
        """A sign-in had this result, one of `SIGN_INS`."""
        self._sign_ins.labels(result).inc()

    def revoked(self) -> None:
        """A session ended before its time."""
        self._revoked.inc()

    def failed(self, request: str) -> None:
        """A request of this kind, one of `REQUESTS`, failed."""
        self._failures.labels(request).inc()
