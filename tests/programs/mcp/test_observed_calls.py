"""Traces and the audit log of the bridge, as a process of its own, with an OTLP receiver."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from hotpeers.hook import wait_for_bridge
from kit.otlp import receiving
from kit.raw_mcp import RawSession
from kit.raw_peer import RawPeer
from kit.supervised import free_port
from kit.waiting import until_async

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
SECRET = "very-secret-words"


@dataclass
class Program:
    """A running `hotpeers mcp --tools peers`."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def lines(self) -> list[dict[str, Any]]:
        """The lines of the audit log."""
        found = [line for line in self.log.read_text().splitlines() if '"hotpeers.audit"' in line]
        return [json.loads(line) for line in found]


@asynccontextmanager
async def program(folder: Path, *peers: dict[str, Any], **environ: str) -> AsyncIterator[Program]:
    file, port, log = folder / "peers.json", free_port(), folder / "log"
    file.write_text(json.dumps({"peers": peers}))
    command = [sys.executable, "-m", "hotpeers", "mcp", "--tools", "peers"]
    command += ["--listen", f"127.0.0.1:{port}", "--peer-file", str(file)]
    command += ["--orchestrator", "team/lead"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    clean["OTEL_BSP_SCHEDULE_DELAY"] = "50"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stderr=out, env={**clean, **environ})
    try:
        await asyncio.to_thread(wait_for_bridge, f"http://127.0.0.1:{port}/healthz", seconds=60.0)
        yield Program(f"http://127.0.0.1:{port}/mcp", log, process)
    finally:
        process.terminate()
        assert process.wait(30) == 0, log.read_text()


@asynccontextmanager
async def calling(url: str, **headers: str) -> AsyncIterator[RawSession]:
    async with aiohttp.ClientSession() as http:
        yield await RawSession.begin(http, url, headers)


async def test_spans_form_one_chain_from_the_client_to_the_peer(
    tmp_path: Path, peer: RawPeer
) -> None:
    entry = peer.entry(namespace="team", userHeaders=True)
    async with (
        receiving() as receiver,
        program(tmp_path, entry, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as made,
    ):
        headers = {
            "traceparent": TRACEPARENT,
            "tracestate": "vendor=1",
            "baggage": f"user={SECRET}",
            "authorization": f"Bearer {SECRET}",
            "x-user-id": "ada",
        }
        async with calling(made.url, **headers) as session:
            await session.call(1, "ask_agent", agent="team/raw", message=SECRET)
            await session.call(2, "ask_agent", agent="team/raw", message=f"fail {SECRET}")
            await session.call(3, "ask_agent", agent="missing", message=SECRET)
            await session.call(4, SECRET, agent="missing")
            await until_async("all spans", lambda: len(receiver.spans) >= 6)
    asked, failed, unknown = receiver.named("tools/call ask_agent")
    called = receiver.named("invoke_agent team/raw")
    assert {span.trace for span in receiver.spans} == {TRACE}
    assert (asked.parent, asked.kind) == (PARENT, 2)
    assert (called[0].parent, called[0].kind) == (asked.id, 3)
    assert called[1].parent == failed.id
    sent = [headers["traceparent"] for headers in peer.headers]
    assert sent == [f"00-{TRACE}-{span.id}-01" for span in called]
    assert peer.headers[0]["tracestate"] == "vendor=1"
    assert "baggage" not in peer.headers[0]
    assert called[0].attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "team/raw",
        "hotpeers.orchestrator": "team/lead",
        "hotpeers.outcome": "answered",
        "hotpeers.task.state": "completed",
    }
    assert called[1].attributes["hotpeers.task.state"] == "failed"
    assert unknown.failed
    assert [span.name for span in receiver.named("tools/call unknown")] == ["tools/call unknown"]
    assert {span.service for span in receiver.spans} == {"hotpeers-bridge"}
    assert SECRET not in "".join(span.raw for span in receiver.spans)


async def test_failing_peer_ends_its_span_with_a_reason_word_only(
    tmp_path: Path, peer: RawPeer
) -> None:
    async with (
        receiving() as receiver,
        program(tmp_path, peer.entry(), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as made,
        calling(made.url) as session,
    ):
        await session.call(1, "ask_agent", agent="raw", message=f"drop {SECRET}")
        span = await receiver.span("invoke_agent raw")
    assert span.failed
    assert span.attributes["error.type"] == "PeerUnreachable"
    assert SECRET not in span.raw


MALFORMED = [
    {"traceparent": "00-zzz"},
    {"traceparent": TRACEPARENT + "0" * 4000},
    {"traceparent": f"ff-{TRACE}-{PARENT}-01"},
    {"traceparent": f"00-{'0' * 32}-{PARENT}-01"},
    {"tracestate": "a=b"},
    {},
]


async def test_malformed_trace_context_begins_a_new_trace_and_long_state_is_not_sent_on(
    tmp_path: Path, peer: RawPeer
) -> None:
    async with (
        receiving() as receiver,
        program(tmp_path, peer.entry(), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as made,
    ):
        for headers in MALFORMED:
            async with calling(made.url, **headers) as session:
                await session.call(1, "ask_agent", agent="raw", message="hi")
        many = len(MALFORMED)
        await until_async("the spans", lambda: len(receiver.named("tools/call")) == many)
        long = ",".join(f"vendor{number}={'x' * 40}" for number in range(20))
        async with calling(made.url, traceparent=TRACEPARENT, tracestate=long) as session:
            await session.call(1, "ask_agent", agent="raw", message="hi")
    asked = receiver.named("tools/call")[:many]
    assert [span.parent for span in asked] == [""] * many
    assert len({span.trace for span in asked} - {TRACE}) == many
    sent = [headers["traceparent"].split("-")[1] for headers in peer.headers]
    assert sent == [*(span.trace for span in asked), TRACE]
    assert "tracestate" not in peer.headers[-1]


async def test_trace_context_in_the_meta_of_a_request_wins(tmp_path: Path, peer: RawPeer) -> None:
    from mcp import Client

    async with (
        receiving() as receiver,
        program(tmp_path, peer.entry(), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as made,
        Client(made.url, mode="2026-07-28") as client,
    ):
        meta: Any = {"traceparent": TRACEPARENT}
        await client.call_tool("ask_agent", {"agent": "raw", "message": "hi"}, meta=meta)
        asked = await receiver.span("tools/call ask_agent")
    assert (asked.trace, asked.parent) == (TRACE, PARENT)


async def test_without_an_endpoint_nothing_is_traced_and_the_sdk_is_not_loaded(
    tmp_path: Path, peer: RawPeer
) -> None:
    code = (
        "import sys; from hotpeers.mcp.tracing import set_up_tracing, is_on;"
        "set_up_tracing('x'); import hotpeers.mcp.hub.hub, hotpeers.mcp.bridge;"
        "print(is_on(), [m for m in sys.modules if m.startswith('opentelemetry.sdk')"
        " or m.startswith('opentelemetry.exporter')])"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, env=clean
    )
    assert done.stdout.strip() == "False []", done.stderr
    async with (
        program(tmp_path, peer.entry()) as made,
        calling(made.url, traceparent=TRACEPARENT) as session,
    ):
        await session.call(1, "ask_agent", agent="raw", message="hi")
        assert made.lines() == []
    assert "traceparent" not in peer.headers[0]


async def test_unreachable_collector_fails_no_call(tmp_path: Path, peer: RawPeer) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    async with (
        program(tmp_path, peer.entry(), OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as made,
        calling(made.url) as session,
    ):
        answer = await session.call(1, "ask_agent", agent="raw", message="hi")
    assert "raw heard: hi" in json.dumps(answer)


async def test_audit_line_says_who_asked_whom_and_how_it_ended_but_not_what(
    tmp_path: Path, peer: RawPeer
) -> None:
    entry = peer.entry(namespace="team", url=f"{peer.url}/{SECRET}", userHeaders=True)
    async with program(tmp_path, entry, HOTPEERS_AUDIT="true") as made:
        headers = {"x-user-id": "ada", "authorization": f"Bearer {SECRET}"}
        headers["x-hotpeers-lineage"] = "team/front"
        async with calling(made.url, **headers) as session:
            await session.call(1, "ask_agent", agent="team/raw", message=SECRET)
            await session.call(2, "ask_agent", agent="team/raw", message=f"ask {SECRET}")
            await session.call(3, "ask_agent", agent="team/raw", message=f"drop {SECRET}")
        looped = {**headers, "x-hotpeers-lineage": "team/raw,team/front"}
        async with calling(made.url, **looped) as session:
            await session.call(4, "ask_agent", agent="team/raw", message=SECRET)
        await until_async("four lines", lambda: len(made.lines()) == 4)
        first, asked, failed, refused = made.lines()
    assert SECRET not in made.log.read_text()
    assert (first.pop("time")[-1], first.pop("seconds") < 10) == ("Z", True)
    assert len(first.pop("task")) == len(first.pop("context")) == 36
    assert first == {
        "logger": "hotpeers.audit",
        "event": "call",
        "orchestrator": "team/lead",
        "user": "ada",
        "via": ["team/front"],
        "peer": "team/raw",
        "origin": peer.url,
        "operation": "send",
        "outcome": "answered",
        "state": "completed",
        "reason": "",
        "trace": "",
    }
    assert (asked["outcome"], asked["state"]) == ("answered", "input-required")
    assert (failed["outcome"], failed["state"]) == ("failed", "")
    assert failed["reason"] == "PeerUnreachable"
    assert (refused["outcome"], refused["reason"]) == ("refused", "CallLoop")


async def test_line_of_a_call_that_is_cancelled_or_left(tmp_path: Path, peer: RawPeer) -> None:
    async with (
        program(
            tmp_path, peer.entry(streaming=True), HOTPEERS_AUDIT="true", HOTPEERS_WAIT_SECONDS="1"
        ) as made,
        calling(made.url) as session,
    ):
        await session.call(1, "ask_agent", agent="raw", message="sleep 30")
    (line,) = made.lines()
    assert (line["outcome"], line["reason"]) == ("left", "")


async def test_no_value_can_look_like_a_second_line(tmp_path: Path, peer: RawPeer) -> None:
    # aiohttp refuses a line break in a header, but not the other separators of lines.
    user = {"x-user-id": "ada\u2028\u0085{}" + "x" * 2000}
    async with (
        program(tmp_path, peer.entry(), HOTPEERS_AUDIT="true") as made,
        calling(made.url, **user) as session,
    ):
        await session.call(1, "ask_agent", agent="raw", message="hi")
    text = made.log.read_text()
    (line,) = made.lines()
    assert len(line["user"]) <= 253
    assert text.isascii()
    assert text.count('"event"') == 1
