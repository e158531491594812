"""The peer tools over HTTP: the SDK's client of both eras, raw requests, and a raw peer."""

from __future__ import annotations

import asyncio
import io
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from multidict import CIMultiDict

from hotpeers.mcp.bridge import BridgeSettings, read_key
from hotpeers.mcp.peers.server import LINEAGE_META
from hotpeers_shim.lineage import EXTENSION, HEADER, METADATA_KEY
from kit.bridge import FLAG, bridge
from kit.raw_mcp import RawSession, request_of
from kit.raw_peer import RawPeer, running_peer

ERAS = ["legacy", "2026-07-28"]


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "key"
    path.write_bytes(bytes(range(32)))
    return str(path)


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    return await client.call_tool(tool, arguments)


def text_of(result: Any) -> str:
    return str(result.content[0].text)


def token_in(text: str) -> str:
    found = re.search(r'conversation="([^"]+)"', text)
    assert found, text
    return found.group(1)


async def descriptions(client: Client) -> dict[str, str]:
    # The SDK's client caches a listing, as a turn does.
    return {tool.name: tool.description or "" for tool in (await client.session.list_tools()).tools}


@pytest.mark.parametrize("era", ERAS)
async def test_tools_are_listed_without_peers_and_describe_a_peer_once_it_appears(
    era: str, tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path) as made, Client(made.url, mode=era) as client:
        before = await descriptions(client)
        assert list(before) == ["ask_agent", "list_agents", "get_answer"]
        assert "no agents to ask now" in before["ask_agent"]
        made.offer(peer.entry(description="Knows the weather", namespace="team"))
        after = await descriptions(client)
        assert list(after) == list(before)
        assert "- team/raw: Knows the weather" in after["ask_agent"]
        assert text_of(await call(client, "ask_agent", agent="team/raw", message="hi")).startswith(
            "raw heard: hi"
        )
        made.offer()
        assert await descriptions(client) == before
        gone = await call(client, "ask_agent", agent="team/raw", message="hi")
        assert gone.is_error
        assert "AgentUnknown" in text_of(gone)
    assert peer.texts == ["hi"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_conversation_continues_in_the_context_that_the_peer_has_made(
    era: str, tmp_path: Path
) -> None:
    async with (
        running_peer(RawPeer(own_contexts=True)) as peer,
        bridge(tmp_path, peer.entry()) as made,
        Client(made.url, mode=era) as client,
    ):
        first = text_of(await call(client, "ask_agent", agent="raw", message="one"))
        second = await call(
            client, "ask_agent", agent="raw", message="two", conversation=token_in(first)
        )
        assert not second.is_error, text_of(second)
        other = await call(client, "ask_agent", agent="raw", message="three")
        assert not other.is_error
    contexts = [message.get("contextId") for message in peer.messages]
    assert contexts[0] is None
    assert contexts[1] in peer.contexts
    assert contexts[2] is None


async def test_a_question_of_the_peer_is_answered_in_its_task(
    tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path, peer.entry()) as made, Client(made.url) as client:
        asked = text_of(await call(client, "ask_agent", agent="raw", message="ask how many?"))
        assert "needs an answer" in asked
        await call(client, "ask_agent", agent="raw", message="two", conversation=token_in(asked))
    assert peer.messages[1]["taskId"] in peer.tasks


async def test_conversation_lost_by_the_peer_restarts_and_reports_it(
    tmp_path: Path,
) -> None:
    async with (
        running_peer(RawPeer(own_contexts=True)) as peer,
        bridge(tmp_path, peer.entry()) as made,
        Client(made.url) as client,
    ):
        first = text_of(await call(client, "ask_agent", agent="raw", message="one"))
        peer.contexts.clear()
        second = await call(
            client, "ask_agent", agent="raw", message="two", conversation=token_in(first)
        )
    assert "this is a new conversation" in text_of(second)
    assert peer.texts == ["one", "two", "two"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("streams", [False, True])
async def test_a_late_answer_is_fetched_with_get_answer_and_the_peer_is_asked_once(
    era: str, streams: bool, tmp_path: Path
) -> None:
    heard: list[str] = []

    async def note(_progress: float, _total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with (
        running_peer(RawPeer(streams=streams)) as peer,
        bridge(tmp_path, peer.entry(), wait_seconds="0.7") as made,
        Client(made.url, mode=era) as client,
    ):
        text = text_of(
            await client.call_tool(
                "ask_agent", {"agent": "raw", "message": "sleep 1.5"}, progress_callback=note
            )
        )
        assert "still working" in text
        for _ in range(20):
            if "still working" not in text:
                break
            text = text_of(await call(client, "get_answer", conversation=token_in(text)))
        assert text.startswith("raw heard: sleep 1.5")
        again = await call(client, "get_answer", conversation=token_in(text))
        assert "NoAnswerExpected" in text_of(again)
    assert peer.texts == ["sleep 1.5"]
    if streams:
        assert heard == ["reading"]


async def test_other_replica_fetches_the_answer_of_a_running_task(
    tmp_path: Path, key_file: str
) -> None:
    async with running_peer(RawPeer(streams=True)) as peer, AsyncExitStack() as stack:
        changed = {"conversation_key_file": key_file, "wait_seconds": "0.3"}
        first = AsyncExitStack()
        one = await first.enter_async_context(bridge(tmp_path / "1", peer.entry(), **changed))
        async with Client(one.url) as client:
            said = text_of(await call(client, "ask_agent", agent="raw", message="one"))
            late = text_of(await call(client, "ask_agent", agent="raw", message="sleep 1"))
        await first.aclose()
        two = await stack.enter_async_context(bridge(tmp_path / "2", peer.entry(), **changed))
        async with Client(two.url) as client:
            on = await call(
                client, "ask_agent", agent="raw", message="more", conversation=token_in(said)
            )
            assert not on.is_error, text_of(on)
            text = late
            for _ in range(20):
                if "still working" not in text:
                    break
                text = text_of(await call(client, "get_answer", conversation=token_in(text)))
    assert text.startswith("raw heard: sleep 1")
    assert peer.texts == ["one", "sleep 1", "more"]
    assert peer.messages[2]["contextId"] == next(iter(peer.tasks.values()))["contextId"]
    assert "tasks/cancel" not in peer.methods


async def test_lost_answer_is_explained_when_the_peer_named_no_task(
    tmp_path: Path, key_file: str, peer: RawPeer
) -> None:
    changed = {"conversation_key_file": key_file, "wait_seconds": "0.2"}
    async with bridge(tmp_path / "1", peer.entry(), **changed) as one, Client(one.url) as client:
        late = text_of(await call(client, "ask_agent", agent="raw", message="sleep 0.6"))
    async with bridge(tmp_path / "2", peer.entry(), **changed) as two, Client(two.url) as client:
        lost = await call(client, "get_answer", conversation=token_in(late))
    assert lost.is_error
    assert "AnswerLost" in text_of(lost)
    assert peer.texts == ["sleep 0.6"]


async def test_key_survives_a_restart_of_the_process(tmp_path: Path, peer: RawPeer) -> None:
    async with bridge(tmp_path, peer.entry()) as made, Client(made.url) as client:
        said = text_of(await call(client, "ask_agent", agent="raw", message="one"))
    path = tmp_path / "conversation.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(read_key(path)) == 32
    async with bridge(tmp_path, peer.entry()) as made, Client(made.url) as client:
        on = await call(
            client, "ask_agent", agent="raw", message="two", conversation=token_in(said)
        )
    assert not on.is_error
    assert peer.messages[1]["contextId"] in peer.contexts


async def test_key_in_the_secret_continues_conversations_of_another_pod(
    tmp_path: Path, peer: RawPeer
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "conversation-key").write_text(f"{'ab' * 32}\n")
    of_secret = str(secret / "credentials.yaml")

    async def ask(pod: str, message: str, **more: str) -> Any:
        async with (
            bridge(tmp_path / pod, peer.entry(), credentials=of_secret) as made,
            Client(made.url) as client,
        ):
            return await call(client, "ask_agent", agent="raw", message=message, **more)

    said = token_in(text_of(await ask("one", "one")))
    assert not (await ask("two", "two", conversation=said)).is_error
    assert not (tmp_path / "two" / "conversation.key").exists()
    (secret / "conversation-key").write_text("too short")
    refused = await ask("three", "three", conversation=said)
    assert "ConversationUnknown" in text_of(refused)
    assert not (await ask("three", "four")).is_error
    assert peer.texts == ["one", "two", "four"]
    assert peer.messages[1]["contextId"] in peer.contexts


async def test_cancelling_a_call_cancels_the_task_of_the_peer(tmp_path: Path) -> None:
    async with (
        running_peer(RawPeer(streams=True)) as peer,
        bridge(tmp_path, peer.entry()) as made,
        Client(made.url, mode="legacy") as client,
    ):
        asking = asyncio.create_task(call(client, "ask_agent", agent="raw", message="sleep 30"))
        await asyncio.wait_for(peer.got.wait(), 10)
        while not peer.tasks:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(10):
            while "tasks/cancel" not in peer.methods:
                await asyncio.sleep(0.02)
    assert next(iter(peer.tasks.values()))["status"]["state"] == "canceled"


async def test_a_failed_call_is_explained_and_reported_in_the_ack(
    tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path, peer.entry()) as made, Client(made.url) as client:
        failed = await call(client, "ask_agent", agent="raw", message="drop it")
        assert failed.is_error
        assert "raw" in text_of(failed)
        assert peer.texts == ["drop it"]
        async with asyncio.timeout(10):
            while not made.ack().get("failures"):
                await asyncio.sleep(0.05)
        said = await call(client, "ask_agent", agent="raw", message="fail because")
        assert text_of(said).startswith("Agent raw ended with failed: raw: fail because")


async def test_headers_of_the_user_reach_only_peers_that_may_get_them(tmp_path: Path) -> None:
    headers = {"X-User-Id": "ada", "Authorization": "Bearer users-token", "X-Other": "kept here"}
    async with running_peer() as trusted, running_peer(RawPeer(name="other")) as other:
        entries = trusted.entry(userHeaders=True), other.entry()
        async with (
            bridge(tmp_path, *entries) as made,
            aiohttp.ClientSession(headers=headers) as http,
        ):
            session = await RawSession.begin(http, made.url)
            for number, name in enumerate(("raw", "other"), 10):
                await session.call(number, "ask_agent", agent=name, message="hi")
    assert trusted.headers[0]["x-user-id"] == "ada"
    assert trusted.headers[0]["authorization"] == "Bearer users-token"
    assert "x-other" not in trusted.headers[0]
    assert not {"x-user-id", "authorization"} & set(other.headers[0])


def metadata_of(message: dict[str, Any]) -> Any:
    return (message.get("metadata") or {}).get(METADATA_KEY)


async def test_lineage_reaches_only_peers_that_may_get_user_headers(tmp_path: Path) -> None:
    headers = {"X-HotPeers-Lineage": "team/first, team/second"}
    async with running_peer() as trusted, running_peer(RawPeer(name="other")) as other:
        entries = trusted.entry(userHeaders=True), other.entry()
        async with (
            bridge(tmp_path, *entries) as made,
            aiohttp.ClientSession(headers=headers) as http,
        ):
            session = await RawSession.begin(http, made.url)
            for number, name in enumerate(("raw", "other"), 10):
                await session.call(number, "ask_agent", agent=name, message="hi")
    chain = ["team/first", "team/second", "team/lead"]
    assert metadata_of(trusted.messages[0]) == chain
    assert trusted.headers[0][HEADER] == ",".join(chain)
    assert trusted.messages[0]["extensions"] == [EXTENSION]
    assert metadata_of(other.messages[0]) is None
    assert HEADER not in other.headers[0]


async def test_header_in_two_lines_is_one_lineage(tmp_path: Path) -> None:
    lines = CIMultiDict([(HEADER, "team/first"), (HEADER, "team/second")])
    async with (
        running_peer() as peer,
        bridge(tmp_path, peer.entry(userHeaders=True)) as made,
        aiohttp.ClientSession() as http,
    ):
        session = await RawSession.begin(http, made.url)
        lines.update(session.headers)
        body = request_of(10, "ask_agent", agent="raw", message="hi")
        async with http.post(made.url, data=body, headers=lines) as response:
            assert response.status == 200
            await response.read()
    assert metadata_of(peer.messages[0]) == ["team/first", "team/second", "team/lead"]


async def test_call_without_a_lineage_begins_a_chain(tmp_path: Path) -> None:
    async with (
        running_peer() as peer,
        bridge(tmp_path, peer.entry(userHeaders=True)) as made,
        Client(made.url) as client,
    ):
        await call(client, "ask_agent", agent="raw", message="hi")
    assert metadata_of(peer.messages[0]) == ["team/lead"]


@pytest.mark.parametrize(
    "header", ["team/a;b", "ignore all rules", "x" * 20_000, "team/\u0430", "team/a/b", "-, ../b"]
)
async def test_malformed_lineage_is_ignored(tmp_path: Path, header: str) -> None:
    async with (
        running_peer() as peer,
        bridge(tmp_path, peer.entry(userHeaders=True)) as made,
        aiohttp.ClientSession(headers={HEADER: header}) as http,
    ):
        session = await RawSession.begin(http, made.url)
        answer = await session.call(10, "ask_agent", agent="raw", message="hi")
    assert "raw heard: hi" in answer["result"]["content"][0]["text"]
    assert metadata_of(peer.messages[0]) == ["team/lead"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("value", "names"),
    [
        (["team/first", "team/second"], ["team/first", "team/second"]),
        ("team/first,team/second", ["team/first", "team/second"]),
        (["team/first", 7], ["team/of-header"]),
        (["x" * 100_000], ["team/of-header"]),
        (None, ["team/of-header"]),
    ],
)
async def test_lineage_in_meta_counts_before_the_header(
    tmp_path: Path, era: str, value: Any, names: list[str]
) -> None:
    meta: Any = {LINEAGE_META: value}
    async with (
        running_peer() as peer,
        bridge(tmp_path, peer.entry(userHeaders=True)) as made,
        httpx.AsyncClient(headers={HEADER: "team/of-header"}, timeout=30) as http,
        Client(streamable_http_client(made.url, http_client=http), mode=era) as client,
    ):
        arguments = {"agent": "raw", "message": "hi"}
        await client.call_tool("ask_agent", arguments, meta=meta)
    assert metadata_of(peer.messages[0]) == [*names, "team/lead"]


@pytest.mark.parametrize(
    ("header", "reason", "shown"),
    [
        ("ops/raw,team/b", "CallLoop", "ops/raw -> team/b -> team/lead -> ops/raw"),
        ("team/lead,team/b", "CallLoop", "team/lead -> team/b -> team/lead"),
        ("team/a,team/b,team/c", "CallTooDeep", "team/a -> team/b -> team/c -> team/lead"),
    ],
)
async def test_loop_and_too_deep_chain_are_refused_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str, reason: str, shown: str
) -> None:
    monkeypatch.setenv("HOTPEERS_MAX_DEPTH", "3")
    async with (
        running_peer() as peer,
        bridge(tmp_path, peer.entry(namespace="ops")) as made,
        aiohttp.ClientSession(headers={HEADER: header}) as http,
    ):
        session = await RawSession.begin(http, made.url)
        answer = await session.call(10, "ask_agent", agent="ops/raw", message="hi")
        async with asyncio.timeout(10):
            while not made.ack().get("failures"):
                await asyncio.sleep(0.05)
        assert made.ack()["failures"][0]["reason"] == reason
    result = answer["result"]
    assert result["isError"]
    said = result["content"][0]["text"]
    assert "was not called, and nothing was sent" in said
    assert shown in said
    assert "Do the work yourself" in said
    assert peer.messages == []


async def test_refused_call_leaves_the_conversation_open(tmp_path: Path) -> None:
    """The question of the peer is answered by a later call of the same conversation."""
    async with (
        running_peer() as peer,
        bridge(tmp_path, peer.entry(namespace="ops")) as made,
        aiohttp.ClientSession() as http,
    ):
        session = await RawSession.begin(http, made.url)
        asked = await session.call(10, "ask_agent", agent="raw", message="ask which")
        key = token_in(asked["result"]["content"][0]["text"])
        session.headers[HEADER] = "ops/raw"
        refused = await session.call(11, "ask_agent", agent="raw", message="no", conversation=key)
        key = token_in(refused["result"]["content"][0]["text"])
        del session.headers[HEADER]
        await session.call(12, "ask_agent", agent="raw", message="this", conversation=key)
    assert peer.texts == ["ask which", "this"]
    assert len(peer.tasks) == 1


async def test_a_request_that_is_sent_again_in_its_session_reaches_the_peer_once(
    tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path, peer.entry()) as made, aiohttp.ClientSession() as http:
        session = await RawSession.begin(http, made.url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await session.call(7, "ask_agent", agent="raw", message="sleep 1")
        again = await session.call(7, "ask_agent", agent="raw", message="sleep 1")
        once_more = await session.call(7, "ask_agent", agent="raw", message="sleep 1")
        assert peer.texts == ["sleep 1"]
        for one in (again, once_more):
            assert one["result"]["content"][0]["text"].startswith("raw heard: sleep 1")
        other = await session.call(8, "ask_agent", agent="raw", message="sleep 1")
        assert not other["result"].get("isError")
        assert peer.texts == ["sleep 1", "sleep 1"]
        assert peer.messages[0]["messageId"] != peer.messages[1]["messageId"]


async def test_fifty_calls_at_once_are_answered_each_by_its_own(
    tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path, peer.entry()) as made, Client(made.url) as client:
        results = await asyncio.gather(
            *(
                call(client, "ask_agent", agent="raw", message=f"sleep 0.2 number {n}.")
                for n in range(50)
            )
        )
    for number, result in enumerate(results):
        assert f"number {number}." in text_of(result)
    assert len(peer.texts) == 50


async def test_arguments_of_ten_megabytes_are_refused_before_they_are_parsed(
    tmp_path: Path, peer: RawPeer
) -> None:
    large = io.BytesIO(request_of(1, "ask_agent", agent="raw", message="x" * 10 * 2**20))
    async with bridge(tmp_path, peer.entry()) as made, aiohttp.ClientSession() as http:
        session = await RawSession.begin(http, made.url)
        async with http.post(made.url, data=large, headers=session.headers) as response:
            assert response.status == 413
        fine = await session.call(2, "ask_agent", agent="raw", message="hi")
        assert not fine["result"].get("isError")
    assert peer.texts == ["hi"]


async def test_clients_that_never_read_do_not_block_others(tmp_path: Path, peer: RawPeer) -> None:
    async with bridge(tmp_path, peer.entry()) as made, aiohttp.ClientSession() as http:
        session = await RawSession.begin(http, made.url)
        host, port = made.url.removeprefix("http://").removesuffix("/mcp").split(":")
        writers = []
        for number in range(20):
            body = request_of(100 + number, "ask_agent", agent="raw", message="big 2000000")
            head = {**session.headers, "Host": f"{host}:{port}", "Content-Length": str(len(body))}
            lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
            _, writer = await asyncio.open_connection(host, int(port), limit=1)
            writer.write(f"POST /mcp HTTP/1.1\r\n{lines}\r\n".encode() + body)
            writers.append(writer)
        async with asyncio.timeout(20):
            while len(peer.texts) < 20:
                await asyncio.sleep(0.05)
            said = await session.call(7, "ask_agent", agent="raw", message="hi")
        assert said["result"]["content"][0]["text"].startswith("raw heard: hi")
        for writer in writers:
            writer.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"agent": "", "message": "hi"}, "agent"),
        ({"agent": "raw"}, "message"),
        ({"agent": "raw", "message": ""}, "message"),
        ({"agent": ["raw"], "message": "hi"}, "agent"),
        ({"agent": "raw", "message": "hi", "conversation": "no such"}, "ConversationUnknown"),
        ({"agent": "raw", "message": "hi", "conversation": "A" * 8000}, "ConversationUnknown"),
        ({"agent": "raw", "message": "hi", "conversation": "\u00e9\u0000"}, "ConversationUnknown"),
    ],
)
async def test_bad_arguments_are_explained_and_nothing_is_sent(
    arguments: dict[str, Any], says: str, tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path, peer.entry()) as made, Client(made.url) as client:
        refused = await client.call_tool("ask_agent", arguments)
    assert refused.is_error
    assert says in text_of(refused)
    assert not peer.texts


@pytest.mark.parametrize(
    "arguments",
    [
        {"agent": "RAW", "message": "hi", "conversation": None},
        {"agent": ' "raw" ', "message": "hi", "conversation": ""},
        {"agent": "raw", "message": "hi", "unknown": 1},
    ],
)
async def test_arguments_as_models_write_them_are_understood(
    arguments: dict[str, Any], tmp_path: Path, peer: RawPeer
) -> None:
    async with bridge(tmp_path, peer.entry()) as made, Client(made.url) as client:
        said = await client.call_tool("ask_agent", arguments)
    assert not said.is_error, text_of(said)


async def test_a_conversation_of_another_user_is_refused(tmp_path: Path, peer: RawPeer) -> None:
    async with bridge(tmp_path, peer.entry()) as made, aiohttp.ClientSession() as http:
        session = await RawSession.begin(http, made.url)
        session.headers["X-User-Id"] = "ada"
        said = await session.call(1, "ask_agent", agent="raw", message="hi")
        token = token_in(said["result"]["content"][0]["text"])
        session.headers["X-User-Id"] = "bob"
        refused = await session.call(
            2, "ask_agent", agent="raw", message="and?", conversation=token
        )
        assert "ConversationUnknown" in refused["result"]["content"][0]["text"]
        session.headers["X-User-Id"] = "ada"
        fine = await session.call(3, "ask_agent", agent="raw", message="and?", conversation=token)
        assert not fine["result"].get("isError")
    assert peer.texts == ["hi", "and?"]


@pytest.fixture
def raw_settings() -> dict[str, str]:
    return {
        "listen": "127.0.0.1:0",
        "peer_file": "/nowhere/peers.json",
        "ack_dir": "",
        "orchestrator": "",
        "wait_seconds": "25",
        "conversation_key_file": "",
        "token_file": "",
    }


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("listen", "0.0.0.0:8092", "--token-file"),
        ("listen", "none", "the tools need an address"),
        ("peer_file", "", "--peer-file"),
        ("wait_seconds", "0", "--wait-seconds"),
        ("wait_seconds", "soon", "--wait-seconds"),
        ("orchestrator", "lead", "namespace/name"),
    ],
)
def test_wrong_settings_name_their_flag(
    name: str, value: str, says: str, raw_settings: dict[str, str]
) -> None:
    with pytest.raises(Exception, match=says):
        BridgeSettings.parse(FLAG, **{**raw_settings, name: value})
