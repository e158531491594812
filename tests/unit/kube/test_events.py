"""The writer of Kubernetes Events, with a recorded API: what it sends, counts, drops and reports."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from hotpeers.kube.errors import ForbiddenError, KubeError, NotFoundError
from hotpeers.kube.events import Event, EventWriter, reference
from kit.waiting import until_async

ABOUT = reference("kagent.dev/v1alpha2", "Agent", "ns", "lead", "uid-1")
EVENT = Event(ABOUT, "PeerAdded", "ns/a", "Offer")


class Api:
    """Records requests. `errors` are raised first, one for each request."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.posted: list[tuple[str, Mapping[str, Any]]] = []
        self.patched: list[tuple[str, Mapping[str, Any]]] = []

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        await self._answer()
        self.posted.append((path, body))

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        await self._answer()
        self.patched.append((path, body))

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)


class Lost:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def writer_of(api: Api, lost: Callable[[], None] = lambda: None, **how: Any) -> EventWriter:
    return EventWriter(api, "hotpeers.dev/test", lost, **how)


@asynccontextmanager
async def running(writer: EventWriter) -> AsyncIterator[None]:
    task = asyncio.create_task(writer.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_event_has_all_fields() -> None:
    api = Api()
    at = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    event = Event(ABOUT, "CallsFailed", "a\nb" + "x" * 2000, "Call", warning=True, at=at)
    name = await writer_of(api).write(event)
    ((path, body),) = api.posted
    assert path == "/api/v1/namespaces/ns/events"
    assert body["metadata"] == {"name": name, "namespace": "ns"}
    assert name.startswith("lead.")
    assert len(name) == len("lead.") + 16
    assert body["eventTime"] == "2026-01-02T03:04:05.000678Z"
    assert body["firstTimestamp"] == body["lastTimestamp"] == "2026-01-02T03:04:05Z"
    assert body["source"] == {"component": "hotpeers.dev/test"}
    assert body["reportingComponent"] == "hotpeers.dev/test"
    assert body["involvedObject"] == ABOUT
    assert (body["reason"], body["action"], body["type"]) == ("CallsFailed", "Call", "Warning")
    assert body["count"] == 1
    assert body["message"].startswith("a bxxx")
    assert len(body["message"]) == 1000


async def test_event_without_action_has_no_event_time() -> None:
    api = Api()
    await writer_of(api).write(Event(ABOUT, "SpawnDenied", "denied"))
    ((_, body),) = api.posted
    assert not {"eventTime", "action"} & set(body)
    assert body["type"] == "Normal"


def test_reference_without_uid_has_no_uid_field() -> None:
    assert set(reference("v1", "Pod", "ns", "a")) == {"apiVersion", "kind", "namespace", "name"}


async def test_full_queue_drops_new_keys_only() -> None:
    lost = Lost()
    writer = writer_of(Api(), lost, most=2)
    for key in ("a", "b", "c", "a"):
        writer.add(EVENT, key)
    assert writer.full
    assert lost.count == 1


async def test_queue_keeps_its_order_and_pauses() -> None:
    api = Api()
    writer = writer_of(api, pause=3600.0)
    for reason in ("One", "Two"):
        writer.add(Event(ABOUT, reason, ""), reason)
    async with running(writer):
        await until_async("an Event to be posted", lambda: api.posted)
        await asyncio.sleep(0)
    assert [body["reason"] for _, body in api.posted] == ["One"]


async def test_repeats_are_dropped_for_a_time() -> None:
    api = Api()
    writer = writer_of(api, same=3600.0, kept=10)
    async with running(writer):
        writer.add(EVENT, "a")
        writer.add(EVENT, "a")
        await until_async("an Event to be posted", lambda: api.posted)
        writer.add(EVENT, "a")
        writer.add(EVENT, "b")
        await until_async("two Events to be posted", lambda: len(api.posted) == 2)
    assert [body["count"] for _, body in api.posted] == [1, 1]


async def test_repeat_after_a_failure_is_written() -> None:
    api, lost = Api(KubeError("down")), Lost()
    writer = writer_of(api, lost, same=3600.0, kept=10)
    async with running(writer):
        writer.add(EVENT, "a")
        await until_async("a lost Event", lambda: lost.count)
        writer.add(EVENT, "a")
        await until_async("an Event to be posted", lambda: api.posted)


async def test_repeats_are_counted_in_one_event() -> None:
    api = Api()
    writer = writer_of(api, count=True, kept=10)
    writer.add(EVENT, "a")
    writer.add(EVENT, "a")
    async with running(writer):
        await until_async("an Event to be posted", lambda: api.posted)
        writer.add(EVENT, "a")
        await until_async("an Event to be patched", lambda: api.patched)
    ((path, body),) = api.posted
    ((patched, change),) = api.patched
    assert body["count"] == 2
    assert patched == f"{path}/{body['metadata']['name']}"
    assert (change["count"], change["message"]) == (3, "ns/a")
    assert set(change) == {"count", "lastTimestamp", "message"}


async def test_counted_repeats_wait_until_the_time_has_passed() -> None:
    api = Api()
    writer = writer_of(api, count=True, same=3600.0, kept=10)
    async with running(writer):
        writer.add(EVENT, "a")
        await until_async("an Event to be posted", lambda: api.posted)
        writer.add(EVENT, "a")
        writer.add(EVENT, "b")
        await until_async("two Events to be posted", lambda: len(api.posted) == 2)
    assert api.patched == []


async def test_deleted_event_is_created_again() -> None:
    api = Api()
    writer = writer_of(api, count=True, kept=10)
    async with running(writer):
        writer.add(EVENT, "a")
        await until_async("an Event to be posted", lambda: api.posted)
        api.errors.append(NotFoundError("gone"))
        writer.add(EVENT, "a")
        await until_async("two Events to be posted", lambda: len(api.posted) == 2)
    assert api.posted[1][1]["count"] == 1


async def test_forgotten_key_is_a_new_event() -> None:
    api = Api()
    writer = writer_of(api, count=True, kept=1)
    async with running(writer):
        for key in ("a", "b", "a"):
            sent = len(api.posted)
            writer.add(EVENT, key)
            await until_async(
                "the next Event to be posted", lambda sent=sent: len(api.posted) > sent
            )
    assert api.patched == []


async def test_failure_is_logged_until_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    denied, lost = ForbiddenError("no"), Lost()
    writer = writer_of(Api(denied, denied, KubeError("down")), lost, right="grant it")
    for _ in range(3):
        assert await writer.write(EVENT) is None
    assert await writer.write(EVENT)
    assert lost.count == 3
    assert [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING] == [
        "cannot write the Event PeerAdded of Agent ns/lead: no; grant it",
        "cannot write the Event PeerAdded of Agent ns/lead: down",
    ]


async def test_other_errors_end_the_writer() -> None:
    writer = writer_of(Api(ValueError("a bug")))
    writer.add(EVENT, "a")
    with pytest.raises(ValueError, match="a bug"):
        await writer.run()
