"""Kubernetes Events: what happened to an object, for people to read. No program acts on them."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

from hotpeers_shim.contract import clean_text

from .errors import ForbiddenError, KubeError, NotFoundError

logger = logging.getLogger(__name__)

CONTROLLER = "hotpeers.dev/controller"
# The API server rejects messages of more than 1 kB.
MAX_NOTE = 1000
# A repeat that comes later is a new Event, even with `count`.
_COUNT_SECONDS = 1800.0


class Client(Protocol):
    """The methods of an API client that an `EventWriter` uses."""

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Create an object."""

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change an object by a merge patch."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event that happened to the object `about` (see `reference`).

    An Event without an `action` has no `eventTime` either. `at` is when it happened; None stands for
    the moment at which it is written.
    """

    about: Mapping[str, str]
    reason: str
    note: str
    action: str = ""
    warning: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Written:
    """An Event in the cluster. `name` is None while it is being created; `at` is monotonic."""

    name: str | None
    count: int
    at: float


class EventWriter:
    """Writes the Events of one `component`: at once (`write`), or from a queue (`add`, `run`).

    At most `most` Events wait, and `run` pauses `pause` seconds after each. `lost` is called for each
    Event that finds the queue full or cannot be written.

    Events of one key repeat each other. `same` seconds must pass before a repeat is written. With
    `count`, repeats wait until then and are added to the count of the Event; without, they are
    dropped. The last `kept` keys are remembered.

    A failure is logged at `level`. The same failure is logged again only after an Event was written,
    or after another failure. `right` says how to grant a missing right.
    """

    def __init__(  # noqa: PLR0913 - plain parameters; each has one caller that sets it
        self,
        client: Client,
        component: str,
        lost: Callable[[], None],
        *,
        most: int = 200,
        pause: float = 0.0,
        same: float = 0.0,
        count: bool = False,
        kept: int = 0,
        level: int = logging.WARNING,
        right: str = "",
    ) -> None:
        self._client = client
        self._component = component
        self._lost = lost
        self._most, self._pause, self._same = most, pause, same
        self._count, self._kept = count, kept
        self._level, self._right = level, right
        self._waiting: OrderedDict[Hashable, tuple[Event, int]] = OrderedDict()
        self._written: OrderedDict[Hashable, _Written] = OrderedDict()
        self._news = asyncio.Event()
        self._failure = ""

    @property
    def full(self) -> bool:
        """Whether the queue has no room for another key."""
        return len(self._waiting) >= self._most

    def add(self, event: Event, key: Hashable) -> None:
        """Queue an Event. Returns at once."""
        if not self._count and self._is_recent(key):
            return
        if key not in self._waiting and self.full:
            self._lost()
            return
        times = self._waiting[key][1] if self._count and key in self._waiting else 0
        self._waiting[key] = (event, times + 1)
        self._news.set()

    async def run(self) -> None:
        """Write queued Events until cancelled. `KubeError`s are handled; other errors are raised."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                due = next((key for key in self._waiting if not self._is_recent(key)), None)
                if due is not None:
                    await self._send(due, *self._waiting.pop(due))
                await asyncio.sleep(self._pause)

    async def write(self, event: Event, count: int = 1) -> str | None:
        """Create an Event now. Returns its name, or None if that failed."""
        body = self._body(event, count)
        try:
            await self._client.post(_path(event), body)
        except KubeError as error:
            self._failed(event, error)
            return None
        self._failure = ""
        return str(body["metadata"]["name"])

    async def _send(self, key: Hashable, event: Event, count: int) -> None:
        if self._count and await self._add_count(key, event, count):
            return
        # Record it before it is sent, because a repeat may be added in the meantime.
        self._keep(key, _Written(None, count, time.monotonic()))
        if name := await self.write(event, count):
            self._keep(key, _Written(name, count, time.monotonic()))
        else:
            self._written.pop(key, None)

    async def _add_count(self, key: Hashable, event: Event, count: int) -> bool:
        """Add repeats to the count of their Event. Returns False if a new Event is needed."""
        written = self._written.get(key)
        if (
            written is None
            or written.name is None
            or time.monotonic() - written.at > _COUNT_SECONDS
        ):
            return False
        total = written.count + count
        change = {
            "count": total,
            "lastTimestamp": _seconds(datetime.now(UTC)),
            "message": clean_text(event.note, MAX_NOTE),
        }
        try:
            await self._client.patch(f"{_path(event)}/{written.name}", change)
        except NotFoundError:
            return False
        except KubeError as error:
            self._failed(event, error)
            return True
        self._failure = ""
        self._keep(key, _Written(written.name, total, time.monotonic()))
        return True

    def _is_recent(self, key: Hashable) -> bool:
        written = self._written.get(key)
        return written is not None and time.monotonic() - written.at < self._same

    def _keep(self, key: Hashable, written: _Written) -> None:
        self._written[key] = written
        self._written.move_to_end(key)
        while len(self._written) > self._kept:
            self._written.popitem(last=False)

    def _failed(self, event: Event, error: KubeError) -> None:
        self._lost()
        if str(error) == self._failure:
            return
        self._failure = str(error)
        what = f"{event.about['kind']} {event.about['namespace']}/{event.about['name']}"
        todo = f"; {self._right}" if self._right and isinstance(error, ForbiddenError) else ""
        text = "cannot write the Event %s of %s: %s%s"
        extra = {"reason": error.reason.value}
        logger.log(self._level, text, event.reason, what, error, todo, extra=extra)

    def _body(self, event: Event, count: int) -> dict[str, Any]:
        moment = event.at or datetime.now(UTC)
        name, namespace = event.about["name"], event.about["namespace"]
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name[:200]}.{uuid4().hex[:16]}", "namespace": namespace},
            "firstTimestamp": _seconds(moment),
            "lastTimestamp": _seconds(moment),
            "count": count,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": f"{socket.gethostname()}-{os.getpid()}"[:128],
            "reason": event.reason,
            "involvedObject": dict(event.about),
            "message": clean_text(event.note, MAX_NOTE),
            "type": "Warning" if event.warning else "Normal",
        }
        if event.action:
            body |= {
                "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "action": event.action,
            }
        return body


def reference(
    api_version: str, kind: str, namespace: str, name: str, uid: str = ""
) -> dict[str, str]:
    """The `involvedObject` of an Event. People's tools find the Events of an object by its uid."""
    about = {"apiVersion": api_version, "kind": kind, "namespace": namespace, "name": name}
    return {**about, "uid": uid} if uid else about


def _path(event: Event) -> str:
    return f"/api/v1/namespaces/{event.about['namespace']}/events"


def _seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
