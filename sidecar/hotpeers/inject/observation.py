"""The variables by which the calls of an injected pod are logged and traced."""

from __future__ import annotations

from .annotations import Wishes
from .outcome import Injection

AUDIT, TRACES = "HOTPEERS_AUDIT", "HOTPEERS_TRACES"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def agent_observation(wishes: Wishes, injection: Injection) -> dict[str, str]:
    """Those of the agent's container: its spans are exported as the agent exports its own."""
    return {**_audit(wishes, injection), **({TRACES: "true"} if _traces(wishes, injection) else {})}


def bridge_observation(wishes: Wishes, injection: Injection) -> dict[str, str]:
    """Those of a sidecar with a bridge, which exports its spans itself."""
    exports = _traces(wishes, injection) and injection.traces_endpoint
    return {
        **_audit(wishes, injection),
        **({ENDPOINT: injection.traces_endpoint} if exports else {}),
    }


def _audit(wishes: Wishes, injection: Injection) -> dict[str, str]:
    wanted = injection.audit if wishes.audit is None else wishes.audit
    return {AUDIT: "true"} if wanted else {}


def _traces(wishes: Wishes, injection: Injection) -> bool:
    return injection.traces if wishes.traces is None else wishes.traces
