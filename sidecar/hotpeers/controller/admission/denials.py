"""Denials told to people: Kubernetes Events on the SpawnPolicy that denies.

Nothing waits for them. The same denial is counted in one Event, and at most a few are written in a
second; what there is no room for is dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hotpeers_shim.contract import clean_text

from ...kube.client import Client
from ...kube.errors import KubeError, NotFoundError
from ...spawnpolicy.decision import Denial
from ...spawnpolicy.schema.policy import API_VERSION, KIND

logger = logging.getLogger(__name__)

_COMPONENT = "hotpeers.dev/guard"
_MAX_NOTE = 1000
MOST_WAITING = 200
_MOST_KEPT = 500
_PAUSE_SECONDS = 0.3
_SAME_SECONDS = 5.0
_FORGET_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Told:
    """One kind of denial: what is told of it, and by which it is known again.

    `policy` is the namespace and name of the SpawnPolicy. `refused` is False where it only audits.
    """

    policy: tuple[str, str]
    policy_uid: str
    who: str
    what: str
    denial: Denial
    refused: bool

    @property
    def note(self) -> str:
        """One line, with nothing in it of what the object holds."""
        verb = "may not" if self.refused else "would not be let to (Audit)"
        where = f" at {self.denial.path}" if self.denial.path else ""
        return clean_text(f"{self.who} {verb} {self.what}: {self.denial.reason}{where}", _MAX_NOTE)


@dataclass(slots=True)
class _Sent:
    name: str
    count: int
    at: float
    first: str


class Denials:
    """Tells of denials. `lost` is called for each Event that could not be made."""

    def __init__(
        self,
        client: Client,
        lost: Callable[[], None],
        *,
        pause: float = _PAUSE_SECONDS,
        same: float = _SAME_SECONDS,
    ) -> None:
        self._client = client
        self._lost = lost
        self._pause, self._same = pause, same
        self._waiting: OrderedDict[Told, int] = OrderedDict()
        self._sent: OrderedDict[Told, _Sent] = OrderedDict()
        self._news = asyncio.Event()
        self._complained = ""

    def note(self, told: Told) -> None:
        """A request was denied. Returns at once."""
        if told not in self._waiting and len(self._waiting) >= MOST_WAITING:
            self._lost()
            return
        self._waiting[told] = self._waiting.get(told, 0) + 1
        self._news.set()

    async def run(self) -> None:
        """Tell for ever what was noted. Raises nothing but what is a bug."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                if (due := self._due()) is not None:
                    await self._tell(due, self._waiting.pop(due))
                await asyncio.sleep(self._pause)

    def _due(self) -> Told | None:
        """What has waited longest, and was not told just now."""
        now = time.monotonic()
        for told in self._waiting:
            sent = self._sent.get(told)
            if sent is None or now - sent.at >= self._same:
                return told
        return None

    async def _tell(self, told: Told, count: int) -> None:
        try:
            if not await self._again(told, count):
                await self._first(told, count)
            self._complained = ""
        except KubeError as error:
            self._lost()
            if str(error) != self._complained:
                self._complained = str(error)
                logger.warning("no Event could be made of a denial: %s", error)

    async def _again(self, told: Told, count: int) -> bool:
        """Count a denial that was told before in its Event; False where there is none any more."""
        sent = self._sent.get(told)
        if sent is None or time.monotonic() - sent.at > _FORGET_SECONDS:
            return False
        total = sent.count + count
        change = {"count": total, "lastTimestamp": _now(), "message": told.note}
        try:
            await self._client.patch(f"{_path(told)}/{sent.name}", change)
        except NotFoundError:
            return False
        sent.count, sent.at = total, time.monotonic()
        self._sent.move_to_end(told)
        return True

    async def _first(self, told: Told, count: int) -> None:
        moment = _now()
        name = f"{told.policy[1][:200]}.{uuid4().hex[:16]}"
        await self._client.post(_path(told), _event(told, name, count, moment))
        self._sent[told] = _Sent(name, count, time.monotonic(), moment)
        self._sent.move_to_end(told)
        while len(self._sent) > _MOST_KEPT:
            self._sent.popitem(last=False)


def _path(told: Told) -> str:
    return f"/api/v1/namespaces/{told.policy[0]}/events"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _event(told: Told, name: str, count: int, moment: str) -> dict[str, Any]:
    namespace, policy = told.policy
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": count,
        "source": {"component": _COMPONENT},
        "reportingComponent": _COMPONENT,
        "reportingInstance": f"{socket.gethostname()}-{os.getpid()}"[:128],
        "reason": "SpawnDenied" if told.refused else "SpawnAudited",
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": namespace,
            "name": policy,
            "uid": told.policy_uid,
        },
        "message": told.note,
        "type": "Warning",
    }
