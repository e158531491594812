"""Faults that keep the API server from calling the webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..base.parts import items, part, text
from ..model.audience import selector_of
from ..model.selector import Selector
from .finding import Finding
from .reasons import CheckReason
from .release import (
    WEBHOOK_PORT_NAME,
    Release,
    controllers,
    injectors,
    webhooks_of,
)
from .snapshot import Json, Part, Snapshot, place_of

_OF_SERVICE = "kubernetes.io/service-name"


def find_missing_webhook(snapshot: Snapshot) -> Iterator[Finding]:
    """No configuration injects pods."""
    if not injectors(snapshot):
        message = "no MutatingWebhookConfiguration has the webhook inject.hotpeers.dev"
        yield Finding(CheckReason.WEBHOOK_MISSING, "cluster", message)


def find_unreachable(snapshot: Snapshot) -> Iterator[Finding]:
    """Services of webhooks without a ready endpoint, each once."""
    ready = {
        (text(one, "metadata", "namespace"), text(one, "metadata", "labels", _OF_SERVICE))
        for one in snapshot.of(Part.SLICES)
        if any(_is_ready(endpoint) for endpoint in items(one, "endpoints"))
    }
    callers: dict[tuple[str, str], list[str]] = {}
    for one in snapshot.of(Part.WEBHOOKS):
        for hook in webhooks_of(one):
            service = part(hook, "clientConfig", "service")
            key = (text(service, "namespace"), text(service, "name"))
            # A webhook may be called by URL, and then has no Service.
            if service and key not in ready:
                callers.setdefault(key, []).append(place_of(one))
    for (namespace, name), places in callers.items():
        called = ", ".join(dict.fromkeys(places))
        message = f"it has no ready endpoint; {called} needs it"
        yield Finding(CheckReason.WEBHOOK_UNREACHABLE, f"Service {namespace}/{name}", message)


def _is_ready(endpoint: Any) -> bool:
    conditions = part(endpoint, "conditions")
    # A missing condition means ready (discovery.k8s.io/v1).
    return conditions.get("ready") is not False


def find_blocking_policies(snapshot: Snapshot) -> Iterator[Finding]:
    """NetworkPolicies that select the controller's pods, none of which admits the API server."""
    for release in controllers(snapshot):
        selecting = [
            one
            for one in snapshot.of(Part.NETWORK_POLICIES)
            if text(one, "metadata", "namespace") == release.namespace and _selects(one, release)
        ]
        if selecting and not any(_admits(one, release.webhook_port) for one in selecting):
            names = ", ".join(map(place_of, selecting))
            message = (
                "it selects the controller's pods, and admits no address to port "
                f"{release.webhook_port}"
            )
            yield Finding(CheckReason.NETWORK_POLICY_BLOCKS, names, message)


def _selects(policy: Json, release: Release) -> bool:
    kinds = items(policy, "spec", "policyTypes")
    if kinds and "Ingress" not in kinds:
        return False
    selector = label_selector(part(policy, "spec", "podSelector"))
    return selector is not None and selector.matches(release.labels)


def _admits(policy: Json, wanted: int) -> bool:
    return any(
        _is_open(rule) and _has_port(rule, wanted) for rule in items(policy, "spec", "ingress")
    )


def _is_open(rule: Json) -> bool:
    # The API server is not a pod, so only addresses can admit it. Which ones it has is unknown.
    sources = items(rule, "from")
    return not sources or any("ipBlock" in one for one in sources if isinstance(one, dict))


def _has_port(rule: Json, wanted: int) -> bool:
    ports = [one for one in items(rule, "ports") if isinstance(one, dict)]
    return not ports or any(_is_webhook_port(one, wanted) for one in ports)


def _is_webhook_port(entry: Json, wanted: int) -> bool:
    if entry.get("protocol", "TCP") != "TCP":
        return False
    port, end = entry.get("port"), entry.get("endPort")
    if isinstance(port, int) and isinstance(end, int):
        return port <= wanted <= end
    return port in (None, wanted, WEBHOOK_PORT_NAME)


def label_selector(given: Json) -> Selector | None:
    """A `metav1.LabelSelector`; None if it is malformed."""
    expressions = [
        (text(one, "key"), text(one, "operator"), tuple(map(str, items(one, "values"))))
        for one in items(given, "matchExpressions")
    ]
    try:
        return selector_of(part(given, "matchLabels"), expressions)
    except ValueError:
        return None
