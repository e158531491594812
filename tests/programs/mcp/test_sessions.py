"""Sessions and streams that outlive a connection or the server, with raw requests."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from kit.bridge import bridge
from kit.raw_mcp import RawSession, request_of
from kit.raw_peer import RawPeer

CALL = {"agent": "raw", "message": "sleep 0.5"}


def moved(session: RawSession, http: aiohttp.ClientSession, url: str) -> RawSession:
    """The same session, at another server."""
    made = RawSession(http, url, "", {})
    made.headers = session.headers
    return made


async def test_session_goes_on_after_a_restart_and_at_another_replica(
    tmp_path: Path, peer: RawPeer
) -> None:
    async with aiohttp.ClientSession() as http:
        async with bridge(tmp_path, peer.entry()) as first:
            session = await RawSession.begin(http, first.url)
            before = await session.call(1, "ask_agent", agent="raw", message="one")
        async with bridge(tmp_path, peer.entry()) as again:
            session = moved(session, http, again.url)
            for number in (2, 3):
                said = await session.call(number, "ask_agent", agent="raw", message=str(number))
                assert not said["result"].get("isError")
            body = request_of(4, "list_agents")
            async with http.post(again.url, data=body, headers=session.headers) as response:
                assert response.headers["Mcp-Session-Id"] == session.headers["Mcp-Session-Id"]
            same = await session.call(1, "ask_agent", agent="raw", message="one")
    assert peer.texts == ["one", "2", "3", "one"]
    assert not before["result"].get("isError")
    assert not same["result"].get("isError")
    # A peer that knows messages by their ids does not do this one twice.
    assert peer.messages[0]["messageId"] == peer.messages[3]["messageId"]


async def test_many_requests_of_a_lost_session_share_one_new_session(
    tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path, peer.entry()) as made, aiohttp.ClientSession() as http:
        session = await RawSession.begin(http, made.url)
        session.headers["Mcp-Session-Id"] = "0" * 32
        said = await asyncio.gather(
            *(session.call(n, "ask_agent", agent="raw", message=f"n{n}.") for n in range(30))
        )
        # A client ends its session: the SDK knows it, so it was the one of the calls.
        async with http.delete(made.url, headers=session.headers) as response:
            assert response.status == 200
    for number, one in enumerate(said):
        assert f"n{number}." in one["result"]["content"][0]["text"]
    assert len(peer.texts) == 30


@pytest.mark.parametrize("session", ["", "x", "0" * 31, "0" * 33, "../" * 10, "A" * 32])
async def test_session_ids_that_are_not_ours_are_unknown(
    session: str, tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path, peer.entry()) as made, aiohttp.ClientSession() as http:
        own = await RawSession.begin(http, made.url)
        headers = {**own.headers, "Mcp-Session-Id": session}
        body = request_of(1, "ask_agent", **CALL)
        async with http.post(made.url, data=body, headers=headers) as response:
            assert response.status in (400, 404)
    assert not peer.texts


async def test_header_of_a_client_does_not_replace_its_session(
    tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path, peer.entry()) as made, aiohttp.ClientSession() as http:
        for _ in range(2):
            session = await RawSession.begin(http, made.url)
            session.headers["X-Hotpeers-Session"] = "same"
            await session.call(1, "ask_agent", agent="raw", message="hi")
    first, second = peer.messages
    assert first["messageId"] != second["messageId"]


async def test_broken_stream_is_taken_up_again_and_the_peer_is_asked_once(
    tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path, peer.entry()) as made, aiohttp.ClientSession() as http:
        session = await RawSession.begin(http, made.url)
        begun = await session.first_event(7, "ask_agent", **CALL)
        assert begun["data"] == ""
        assert begun["retry"] == "2000"
        during = await session.rest(begun["id"])
        after = await session.rest(begun["id"])
        assert during == after
        assert during["id"] == 7
        assert during["result"]["content"][0]["text"].startswith("raw heard: sleep 0.5")
        other = RawSession(http, made.url, "1" * 32, {})
        assert (await other.rest(begun["id"]))["id"] == 7, "a bridge has one user"
    assert len(peer.texts) == 1


async def test_same_request_during_its_call_joins_it_and_another_with_its_id_replaces_it(
    tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path, peer.entry()) as made, aiohttp.ClientSession() as http:
        session = await RawSession.begin(http, made.url)
        both = await asyncio.gather(*(session.call(7, "ask_agent", **CALL) for _ in range(2)))
        assert both[0] == both[1]
        assert len(peer.texts) == 1
        begun = await session.first_event(8, "ask_agent", agent="raw", message="sleep 5")
        assert begun["id"]
        async with asyncio.timeout(4):
            said = await session.call(8, "ask_agent", agent="raw", message="other")
        assert said["result"]["content"][0]["text"].startswith("raw heard: other")


@pytest.mark.parametrize("request_id", [7, "seven", "\u00fc" * 20])
async def test_lost_answer_of_another_process_is_explained(
    request_id: int | str, tmp_path: Path, peer: RawPeer
) -> None:
    async with aiohttp.ClientSession() as http:
        async with bridge(tmp_path, peer.entry()) as first:
            session = await RawSession.begin(http, first.url)
            begun = await session.first_event(request_id, "ask_agent", **CALL)  # type: ignore[arg-type]
        async with bridge(tmp_path, peer.entry()) as again:
            said = await moved(session, http, again.url).rest(begun["id"])
    assert said["id"] == request_id
    assert said["result"]["isError"]
    text = said["result"]["content"][0]["text"]
    assert text.startswith("AnswerLost: ")
    assert "before you ask for the same again" in text


async def test_lost_listing_is_an_error_of_the_protocol(tmp_path: Path, peer: RawPeer) -> None:
    async with aiohttp.ClientSession() as http:
        async with bridge(tmp_path, peer.entry()) as first:
            session = await RawSession.begin(http, first.url)
            body = json.dumps({"jsonrpc": "2.0", "id": 5, "method": "tools/list"})
            async with http.post(first.url, data=body, headers=session.headers) as response:
                event = (await response.content.readline()).decode().removeprefix("id:").strip()
        async with bridge(tmp_path, peer.entry()) as again:
            said = await moved(session, http, again.url).rest(event)
    assert said["error"]["code"] == -32603


@pytest.mark.parametrize(
    "event", ["x", "hp1", "hp1.a", "hp1.a.b", "hp1.a.W10=", "hp1.a.bnVsbA==", "\u00e9", "h" * 5000]
)
async def test_foreign_event_ids_do_no_harm(event: str, tmp_path: Path, peer: RawPeer) -> None:
    async with bridge(tmp_path, peer.entry()) as made, aiohttp.ClientSession() as http:
        session = await RawSession.begin(http, made.url)
        headers = {**session.headers, "Last-Event-ID": event}
        async with http.get(made.url, headers=headers) as response:
            assert response.status in (200, 400)
        said = await session.call(1, "ask_agent", agent="raw", message="hi")
        assert not said["result"].get("isError")


async def test_older_clients_get_no_first_event(tmp_path: Path, peer: RawPeer) -> None:
    async with bridge(tmp_path, peer.entry()) as made, aiohttp.ClientSession() as http:
        session = await RawSession.begin(http, made.url)
        session.headers["MCP-Protocol-Version"] = "2025-06-18"
        begun = await session.first_event(7, "ask_agent", agent="raw", message="hi")
    assert "id" not in begun
    assert "raw heard: hi" in begun["data"]
