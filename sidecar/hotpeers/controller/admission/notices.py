"""Kubernetes Events on an Agent whose pod was not injected, with the reason.

They are written only for Agents that were read from the API server: the owner that a request names
is not trusted. The same reason is reported for an Agent once in ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable

from ...inject.outcome import Skip
from ...inject.owner import Agent
from ...kube.client import Client
from ...kube.events import CONTROLLER, Event, EventWriter, reference

_SAME_SECONDS = 600.0
_PAUSE_SECONDS = 0.2
_RIGHT = (
    "grant create on events to the controller (ClusterRole …-owners of k8s/rbac/controller.yaml)"
)


class Notices:
    """Events about Agents. `lost` is called for each Event that is dropped or not written."""

    def __init__(
        self, client: Client, lost: Callable[[], None], *, pause: float = _PAUSE_SECONDS
    ) -> None:
        self._events = EventWriter(
            client,
            CONTROLLER,
            lost,
            most=100,
            kept=1000,
            same=_SAME_SECONDS,
            pause=pause,
            right=_RIGHT,
        )

    async def run(self) -> None:
        """Write Events until cancelled."""
        await self._events.run()

    def note(self, namespace: str, agent: Agent, skip: Skip) -> None:
        """Report that a pod of an Agent was not injected, or only in part. Returns at once."""
        about = reference(agent.api_version, "Agent", namespace, agent.name, agent.uid)
        note = (
            f"The pod starts without what hotpeers would inject: {skip}"
            f" What to do: hotpeers explain {skip.reason.value}"
        )
        event = Event(about, "NotInjected", note, "Inject", warning=True)
        self._events.add(event, (agent.uid, str(skip)))
