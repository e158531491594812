"""Tells of holds: Events on the Agent, metrics, the log. Nothing waits for an Event."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque

from ...base.reasons import Reason
from ...hold.workload import HeldDeployment
from ...kube.errors import KubeError
from ...kube.events import make_event
from ..admission.pace import Pace
from ..election import LeaderClient
from ..metrics import ControllerMetrics

logger = logging.getLogger(__name__)

_MOST_WAITING = 200
_MOST, _SECONDS = 30, 60.0
_FRESH_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


class Telling:
    """Events of one leader: at most 30 a minute about one Deployment."""

    def __init__(self, writer: LeaderClient, metrics: ControllerMetrics) -> None:
        self._writer = writer
        self._metrics = metrics
        self._pace = Pace(_MOST, _SECONDS)
        self._waiting: deque[tuple[str, dict[str, object]]] = deque()
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Send for ever what was told."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                namespace, event = self._waiting.popleft()
                try:
                    await self._writer.post(f"/api/v1/namespaces/{namespace}/events", event)
                except KubeError as error:
                    self._metrics.event_lost()
                    logger.debug("no Event could be made: %s", error)
                await asyncio.sleep(_PAUSE_SECONDS)

    def held(self, one: HeldDeployment) -> None:
        """A configuration is held back. An old one was told by the leader before."""
        if one.hold is not None and time.time() - one.hold.since < _FRESH_SECONDS:
            note = (
                f"Configuration {one.hold.wanted} does not roll the Deployment: its pods are asked to "
                "take it as they run"
            )
            self._tell(one, "ConfigurationHeld", "Hold", note)

    def live(self, one: HeldDeployment) -> None:
        """All pods have it."""
        assert one.hold is not None, "it was asked for"  # noqa: S101
        seconds = time.time() - one.hold.since if one.hold.since else 0.0
        self._metrics.hold_ended("live", "")
        self._metrics.hold_live_in(max(seconds, 0.0))
        logger.info("Deployment %s: configuration %s is live", one.title, one.hold.wanted)
        note = f"All pods have configuration {one.hold.wanted}; none was restarted"
        self._tell(one, "ConfigurationLive", "Reload", note)

    def released(self, one: HeldDeployment, reason: Reason, message: str) -> None:
        """A hold was given up: the Deployment rolls."""
        self._metrics.hold_ended("released", reason.value)
        extra = {"reason": reason.value}
        logger.warning("Deployment %s rolls: %s: %s", one.title, reason.value, message, extra=extra)
        note = f"The Deployment rolls to its newest configuration: {reason.value}: {message}"
        self._tell(one, "HoldReleased", "Release", note, warning=True)

    def repaid(self, one: HeldDeployment) -> None:
        """An idle Deployment rolls, so that nothing is held any more."""
        self._metrics.hold_ended("repaid", "")
        logger.info("Deployment %s is idle, and rolls to what kagent wants", one.title)
        note = "The pods are idle: the Deployment rolls to the configuration that they have already"
        self._tell(one, "HoldRepaid", "Repay", note)

    def cleared(self, one: HeldDeployment, end: str) -> None:
        """Marks were taken away, and nothing rolls."""
        self._metrics.hold_ended(end, "")
        logger.info("Deployment %s is held no more: %s", one.title, end)

    def _tell(
        self, one: HeldDeployment, reason: str, action: str, note: str, *, warning: bool = False
    ) -> None:
        owner = one.owner
        if owner is None:
            return
        if len(self._waiting) >= _MOST_WAITING or not self._pace.take(one.title):
            self._metrics.event_lost()
            return
        regarding = {
            "apiVersion": owner.api_version,
            "kind": "Agent",
            "namespace": one.namespace,
            "name": owner.name,
            "uid": owner.uid,
        }
        event = make_event(regarding, reason, action, note, warning=warning)
        self._waiting.append((one.namespace, event))
        self._news.set()
