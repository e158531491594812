"""Kubernetes Events about denials, on the SpawnPolicy that denies.

One Event counts all repeats of a denial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...base.names import NamespacedName
from ...kube.client import Client
from ...kube.events import Event, EventWriter, reference
from ...spawnpolicy.decision import Denial
from ...spawnpolicy.schema.policy import API_VERSION, KIND

MOST_WAITING = 200
_COMPONENT = "hotpeers.dev/guard"
_PAUSE_SECONDS = 0.3
_SAME_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Told:
    """One kind of denial: the content of its Event. Equal values are repeats of one denial.

    `policy` is the namespace and name of the SpawnPolicy. `refused` is False if the policy only
    audits.
    """

    policy: NamespacedName
    policy_uid: str
    who: str
    what: str
    denial: Denial
    refused: bool

    @property
    def note(self) -> str:
        """The Event's message. It holds no values of the denied object."""
        verb = "may not" if self.refused else "would be denied (audit mode)"
        where = f" at {self.denial.path}" if self.denial.path else ""
        return f"{self.who} {verb} {self.what}: {self.denial.reason}{where}"


class Denials:
    """Events about denials. `lost` is called for each Event that is dropped or not written."""

    def __init__(
        self,
        client: Client,
        lost: Callable[[], None],
        *,
        pause: float = _PAUSE_SECONDS,
        same: float = _SAME_SECONDS,
    ) -> None:
        self._events = EventWriter(
            client,
            _COMPONENT,
            lost,
            most=MOST_WAITING,
            kept=500,
            same=same,
            count=True,
            pause=pause,
        )

    async def run(self) -> None:
        """Write Events until cancelled."""
        await self._events.run()

    def note(self, told: Told) -> None:
        """Report a denial. Returns at once."""
        about = reference(API_VERSION, KIND, *told.policy, told.policy_uid)
        reason = "SpawnDenied" if told.refused else "SpawnAudited"
        self._events.add(Event(about, reason, told.note, warning=True), told)
