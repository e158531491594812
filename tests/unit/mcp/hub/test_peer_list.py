"""The peer list over HTTP: what a request gets, and what ends a request that waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.types import Message

from hotpeers.mcp.hub import peer_list
from hotpeers.mcp.hub.offer import Offer, Sight
from hotpeers.mcp.hub.peer_list import PeerLists
from hotpeers.mcp.hub.tenant import Tenant
from hotpeers.mcp.peers.conversation import Sealer
from hotpeers.model.orchestrator import read_orchestrator
from hotpeers.sidecar.resolve.rows import Resolution
from hotpeers_shim.contract import Peer, PeerFile, digest_of, encode_peer, load_peer_file
from hotpeers_shim.settings import Settings
from kit.waiting import until_async

SIGHT = Sight(
    "team",
    frozenset({"team"}),
    read_orchestrator({"metadata": {"name": "lead", "namespace": "team", "uid": "u"}}).selector,
)


def offer_of(generation: int, *names: str) -> Offer:
    """An offer as a cluster with these peers makes it."""
    peers = tuple(
        Peer(name=name, namespace="team", url="http://peer", toolName=f"team__NS__{name}")
        for name in names
    )
    made = Offer(SIGHT)
    made.resolution = Resolution(peers=peers)
    made.encoded = [encode_peer(peer) for peer in peers]
    made.catalog = made.catalog.advance(PeerFile(generation, peers, "", digest_of(made.encoded)))
    return made


@dataclass
class Asked:
    """One request to the route: `gone` ends the client."""

    task: asyncio.Task[None]
    gone: asyncio.Event
    sent: list[Message] = field(default_factory=list)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(10):
            await self.task
        start = self.sent[0]
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return start["status"], headers, b"".join(part.get("body", b"") for part in self.sent[1:])


@dataclass
class Place:
    tenant: Tenant
    lists: PeerLists
    known: dict[str, Tenant]

    def ask(self, **headers: str) -> Asked:
        given = {"authorization": "token", **headers}
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/v1/peers",
            "headers": raw,
            "query_string": b"",
        }
        gone = asyncio.Event()
        sent: list[Message] = []
        first: Message = {"type": "http.request", "body": b"", "more_body": False}
        received = [first]

        async def receive() -> Message:
            if received:
                return received.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        task = asyncio.create_task(self.lists.route().handle(scope, receive, send))
        return Asked(task, gone, sent)

    def tag(self) -> str:
        return f'"{self.tenant.catalog().digest}"'

    def change(self, offer: Offer, **spec: int) -> None:
        self.tenant.take(
            replace(self.tenant.orchestrator, **spec) if spec else self.tenant.orchestrator, offer
        )


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    one = read_orchestrator({"metadata": {"name": "lead", "namespace": "team", "uid": "u"}})
    offer = offer_of(1, "weather")
    tenant = Tenant(one, offer, Settings.read({}), Sealer.ephemeral(), wait=1)
    tenant.take(one, offer)
    known = {"token": tenant}
    lists = PeerLists(lambda headers: known.get(headers["authorization"]))
    yield Place(tenant, lists, known)
    await tenant.aclose()


def read(body: bytes) -> PeerFile:
    file = load_peer_file(body)
    assert isinstance(file, PeerFile), file
    return file


@pytest.mark.parametrize("tags", ["{}", "W/{}", '"other", {}', '"sha256:0-gzip", {}', '{} , W/"x"'])
async def test_known_list_is_304_in_each_form_of_the_tag(place: Place, tags: str) -> None:
    status, headers, body = await place.ask(if_none_match=tags.format(place.tag())).answer()
    assert (status, body) == (304, b"")
    assert headers["etag"] == place.tag()
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("tags", ["", '"other"', "*", "sha256", '"', "\\"])
async def test_other_list_is_sent_at_once(place: Place, tags: str) -> None:
    status, headers, body = await place.ask(if_none_match=tags, prefer="wait=60").answer()
    assert (status, headers["etag"]) == (200, place.tag())
    file = read(body)
    assert ([one.name for one in file.peers], file.orchestrator) == (["weather"], "team/lead")
    assert f'"{file.digest}"' == place.tag()


async def test_held_request_ends_with_the_change(place: Place) -> None:
    held = place.ask(if_none_match=place.tag(), prefer="respond-async, wait=60")
    await until_async("it to be held", lambda: place.lists.waiting == 1)
    place.change(offer_of(2, "weather", "news"))
    status, _, body = await held.answer()
    assert (status, [one.name for one in read(body).peers]) == (200, ["weather", "news"])
    assert place.lists.waiting == 0


async def test_held_request_without_a_change_is_304_after_its_wait(place: Place) -> None:
    status, _, _ = await place.ask(if_none_match=place.tag(), prefer="wait=1").answer()
    assert status == 304


async def test_change_of_the_orchestrator_alone_does_not_end_the_wait(place: Place) -> None:
    held = place.ask(if_none_match=place.tag(), prefer="wait=60")
    await until_async("it to be held", lambda: place.lists.waiting == 1)
    place.change(place.tenant.offer, calls_per_minute=7)
    place.change(offer_of(2, "news"))
    assert (await held.answer())[0] == 200


async def test_token_that_ends_during_the_wait_gets_no_more_lists(place: Place) -> None:
    held = place.ask(if_none_match=place.tag(), prefer="wait=60")
    await until_async("it to be held", lambda: place.lists.waiting == 1)
    place.known.clear()
    place.change(offer_of(2, "secret"), token_version=2)
    status, headers, body = await held.answer()
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert b"secret" not in body


async def test_requests_that_wait_are_answered_when_the_hub_ends(place: Place) -> None:
    held = place.ask(if_none_match=place.tag(), prefer="wait=60")
    await until_async("it to be held", lambda: place.lists.waiting == 1)
    place.lists.leave()
    later = place.ask(if_none_match=place.tag(), prefer="wait=60")
    for asked in (held, later):
        status, headers, _ = await asked.answer()
        assert (status, headers["connection"]) == (304, "close")


async def test_deleted_orchestrator_ends_the_wait(place: Place) -> None:
    held = place.ask(if_none_match=place.tag(), prefer="wait=60")
    await until_async("it to be held", lambda: place.lists.waiting == 1)
    place.known.clear()
    await place.tenant.aclose()
    assert (await held.answer())[0] == 401


async def test_list_of_another_offer_is_newer_even_if_it_was_made_earlier(place: Place) -> None:
    place.change(offer_of(2**50, "news"))
    before = read((await place.ask().answer())[2]).generation
    place.change(offer_of(7, "weather"))
    assert read((await place.ask().answer())[2]).generation > before


async def test_generations_grow_over_a_restart(place: Place) -> None:
    first = read((await place.ask().answer())[2]).generation
    # The list of another orchestrator that was made long ago.
    later = Tenant(
        place.tenant.orchestrator, offer_of(1, "old"), Settings.read({}), Sealer.ephemeral(), wait=1
    )
    later.take(place.tenant.orchestrator, offer_of(1, "old"))
    assert later.generation >= first
    await later.aclose()


@pytest.mark.parametrize("limit", ["MAX_WAITING", "MAX_WAITING_IN_ALL"])
async def test_more_waits_than_the_limit_are_429_and_a_client_that_goes_makes_room(
    place: Place, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(peer_list, limit, 2)

    def hold() -> Asked:
        return place.ask(if_none_match=place.tag(), prefer="wait=60")

    held = [hold(), hold()]
    await until_async("both to be held", lambda: place.lists.waiting == 2)
    status, headers, _ = await hold().answer()
    assert (status, headers["retry-after"]) == (429, "5")
    assert (await place.ask(if_none_match=place.tag()).answer())[0] == 304
    held[0].gone.set()
    await until_async("room", lambda: place.lists.waiting == 1)
    await held[0].answer()
    third = hold()
    await until_async("the third to be held", lambda: place.lists.waiting == 2)
    place.change(offer_of(2, "news"))
    assert [(await one.answer())[0] for one in (held[1], third)] == [200, 200]
