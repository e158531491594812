"""Reports holds: Events on the Agent, metrics, log lines."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from ...base.reasons import Reason
from ...hold.workload import HeldDeployment
from ...kube.events import CONTROLLER, Event, EventWriter, reference
from ..admission.pace import Pace
from ..election import LeaderClient
from ..metrics import ControllerMetrics

logger = logging.getLogger(__name__)

_MOST, _SECONDS = 30, 60.0
_FRESH_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


class Telling:
    """Events of one leader: at most 30 a minute about one Deployment."""

    def __init__(self, writer: LeaderClient, metrics: ControllerMetrics) -> None:
        self._metrics = metrics
        self._pace = Pace(_MOST, _SECONDS)
        self._events = EventWriter(
            writer, CONTROLLER, metrics.event_lost, pause=_PAUSE_SECONDS, level=logging.DEBUG
        )

    async def run(self) -> None:
        """Write Events until cancelled."""
        await self._events.run()

    def held(self, one: HeldDeployment) -> None:
        """A configuration is held back. Older holds were reported by an earlier leader."""
        if one.hold is not None and time.time() - one.hold.since < _FRESH_SECONDS:
            note = (
                f"Configuration {one.hold.wanted} does not roll the Deployment: its pods are asked to "
                "apply it while they run"
            )
            self._tell(one, "ConfigurationHeld", "Hold", note)

    def live(self, one: HeldDeployment) -> None:
        """All pods have the configuration."""
        assert one.hold is not None, "it was asked for"  # noqa: S101
        seconds = time.time() - one.hold.since if one.hold.since else 0.0
        self._metrics.hold_ended("live", "")
        self._metrics.hold_live_in(max(seconds, 0.0))
        logger.info("Deployment %s: configuration %s is live", one.title, one.hold.wanted)
        note = f"All pods have configuration {one.hold.wanted}; none was replaced"
        self._tell(one, "ConfigurationLive", "Reload", note)

    def released(self, one: HeldDeployment, reason: Reason, message: str) -> None:
        """A hold was released: the Deployment rolls."""
        self._metrics.hold_ended("released", reason.value)
        extra = {"reason": reason.value}
        logger.warning("Deployment %s rolls: %s: %s", one.title, reason.value, message, extra=extra)
        note = f"The Deployment rolls to its newest configuration: {reason.value}: {message}"
        self._tell(one, "HoldReleased", "Release", note, warning=True)

    def overdue(self, one: HeldDeployment, seconds: float, why: str) -> None:
        """A hold is neither live nor released for too long. `why` is "" if that is unknown."""
        about = f": {why}" if why else ""
        logger.warning("Deployment %s is held for %.0f s%s", one.title, seconds, about)
        note = (
            f"Its configuration is held back for {seconds:.0f} s, is not live, and could not be"
            f" released{about}. kubectl rollout restart applies it"
        )
        self._tell(one, "HoldNotReleased", "Release", note, warning=True)

    def repaid(self, one: HeldDeployment) -> None:
        """An idle Deployment rolls, which ends its hold."""
        self._metrics.hold_ended("repaid", "")
        logger.info(
            "Deployment %s is idle: it rolls to the configuration that kagent wants", one.title
        )
        note = "The pods are idle: the Deployment rolls to the configuration that they already have"
        self._tell(one, "HoldRepaid", "Repay", note)

    def cleared(self, one: HeldDeployment, end: str) -> None:
        """The marks of a hold were removed, and the Deployment does not roll."""
        self._metrics.hold_ended(end, "")
        logger.info("Deployment %s is no longer held: %s", one.title, end)

    def _tell(
        self, one: HeldDeployment, reason: str, action: str, note: str, *, warning: bool = False
    ) -> None:
        owner = one.owner
        if owner is None:
            return
        if self._events.full or not self._pace.take(one.title):
            self._metrics.event_lost()
            return
        about = reference(owner.api_version, "Agent", one.namespace, owner.name, owner.uid)
        event = Event(about, reason, note, action, warning=warning, at=datetime.now(UTC))
        # Use a unique key, so that each change of a hold is an Event of its own.
        self._events.add(event, object())
