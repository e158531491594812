"""Kubernetes Events on an Orchestrator whose calls of a peer fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hotpeers_shim.contract import clean_text

from ...kube.events import Client, Event, EventWriter, reference
from ...model.orchestrator import API_VERSION
from .tenant import Tenant

_COMPONENT = "hotpeers.dev/hub"
_SAME_SECONDS = 300.0
"""The shortest time between two Events about the same peer and reason."""
_PAUSE_SECONDS = 0.1
_KEPT = 10_000
_RIGHT = "grant create on events to the hub (ClusterRole hotpeers-hub of k8s/rbac/hub.yaml)"


class CallEvents:
    """Writes the Events of one replica. `lost` is called for each that could not be written."""

    def __init__(self, client: Client, lost: Callable[[], None]) -> None:
        self._events = EventWriter(
            client,
            _COMPONENT,
            lost,
            pause=_PAUSE_SECONDS,
            same=_SAME_SECONDS,
            kept=_KEPT,
            right=_RIGHT,
        )
        self._failing: dict[str, frozenset[tuple[str, str]]] = {}

    async def run(self) -> None:
        """Write queued Events until cancelled."""
        await self._events.run()

    def note(self, tenants: Iterable[Tenant]) -> None:
        """Queue an Event for each peer that began to fail, or fails for another reason."""
        now = {}
        for tenant in tenants:
            failing = {(one.subject, one.reason): one for one in tenant.counts.failing.values()}
            uid = tenant.orchestrator.uid
            now[uid] = frozenset(failing)
            for key in failing.keys() - self._failing.get(uid, frozenset()):
                peer, reason = key
                said = clean_text(failing[key].message, 300)
                key_of_event = (uid, peer, reason)
                self._events.add(self._event(tenant, f"{peer} ({reason}): {said}"), key_of_event)
        self._failing = now

    @staticmethod
    def _event(tenant: Tenant, note: str) -> Event:
        namespace, name = tenant.orchestrator.key
        uid = tenant.orchestrator.uid
        about = reference(API_VERSION, "Orchestrator", namespace, name, uid)
        return Event(about, "CallsFailed", note, "Call", warning=True)
