"""Traces and the audit log of a hub, as a process of its own on a real API server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import aiohttp
import psutil
import pytest

from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.resources import peer
from kit.apiserver.server import Cluster
from kit.hub import LABELS, hub_process, make_place, wait_for_peer
from kit.otlp import receiving
from kit.raw_mcp import RawSession
from kit.raw_peer import RawPeer, running_peer

pytestmark = pytest.mark.usefixtures("crds")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "very-secret-words"
MEMORY_BYTES = 192 * 1024 * 1024


async def test_hub_traces_and_logs_a_call_by_the_name_of_its_orchestrator(
    cluster: Cluster,
    namespace: str,
    service_account: Callable[..., ServiceAccount],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = make_place(cluster, service_account(namespace, "hub"), tmp_path)
    token = place.token(place.orchestrator())
    headers = {
        "authorization": f"Bearer {token}",
        "x-user-id": "ada",
        "traceparent": f"00-{TRACE}-{PARENT}-01",
    }
    async with receiving() as receiver, running_peer(RawPeer()) as raw:
        place.api.create(peer(namespace, "raw", f"{raw.url}/", labels=LABELS))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        monkeypatch.setenv("HOTPEERS_AUDIT", "true")
        with hub_process(place, "hub-1") as hub:
            await wait_for_peer(hub)
            async with aiohttp.ClientSession() as http:
                session = await RawSession.begin(http, f"http://127.0.0.1:{hub.port}/mcp", headers)
                said = await session.call(1, "ask_agent", agent="raw", message=SECRET)
            assert "raw heard" in json.dumps(said)
            called = await receiver.span("invoke_agent")
            request = await receiver.span("tools/call ask_agent")
            memory = psutil.Process(hub.process.pid).memory_info().rss
    log = (tmp_path / "hub-1" / "log").read_text()
    assert (request.trace, request.parent) == (TRACE, PARENT)
    assert called.parent == request.id
    assert {one.service for one in receiver.spans} == {"hotpeers-hub"}
    assert raw.headers[0]["traceparent"] == f"00-{TRACE}-{called.id}-01"
    assert called.attributes["hotpeers.orchestrator"] == f"{namespace}/lead"
    lines = [json.loads(one) for one in log.splitlines() if '"hotpeers.audit"' in one]
    assert [(one["orchestrator"], one["user"], one["peer"]) for one in lines] == [
        (f"{namespace}/lead", "ada", f"{namespace}/raw")
    ]
    assert (lines[0]["outcome"], lines[0]["trace"]) == ("answered", TRACE)
    for text in (log, *(one.raw for one in receiver.spans)):
        assert SECRET not in text
        assert token not in text
    assert memory < MEMORY_BYTES
