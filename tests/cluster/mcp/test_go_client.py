"""The peer tools with the SDK of Go, as kagent's Go runtime uses them: frozen names, one list a turn."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from hotpeers.hook import wait_for_bridge
from kit.apiserver.fixtures import programs
from kit.goclient import go_client, program
from kit.raw_peer import RawPeer, running_peer
from kit.supervised import SECONDS, offer, supervised

RESUMABLE = "2025-11-25"
VERSIONS = [RESUMABLE, "2026-07-28"]


@pytest.fixture(scope="module")
def built(pytestconfig: pytest.Config) -> Path:
    return programs(pytestconfig, "the MCP client in Go", program)


@pytest.mark.parametrize("version", VERSIONS)
async def test_frozen_names_reach_peers_that_appear_and_go(
    version: str, built: Path, tmp_path: Path
) -> None:
    async with running_peer(RawPeer(own_contexts=True)) as peer:
        with supervised(tmp_path) as made:
            await asyncio.to_thread(wait_for_bridge, f"{made.url}/healthz", seconds=SECONDS)
            async with go_client(built, f"{made.url}/mcp", version) as client:
                assert client.first["version"] == version
                assert set(client.first["tools"]) == {"ask_agent", "list_agents", "get_answer"}
                offer(made, peer)
                async with asyncio.timeout(SECONDS):
                    while "- raw: " not in (await client.turn())["tools"]["ask_agent"]:
                        await asyncio.sleep(0.05)
                first = await client.turn("ask_agent", agent="raw", message="one")
                assert first["text"].startswith("raw heard: one")
                found = re.search(r'conversation="([^"]+)"', first["text"])
                assert found
                second = await client.turn(
                    "ask_agent", agent="raw", message="two", conversation=found.group(1)
                )
                assert not second["isError"], second
                (made.manifests / "raw.yaml").unlink()
                async with asyncio.timeout(SECONDS):
                    while "- raw: " in (await client.turn())["tools"]["ask_agent"]:
                        await asyncio.sleep(0.05)
                gone = await client.turn("ask_agent", agent="raw", message="three")
                assert gone["isError"]
                assert "AgentUnknown" in gone["text"]
    assert peer.texts == ["one", "two"]
    assert peer.messages[1]["contextId"] in peer.contexts


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_peer_runs_once_when_the_sidecar_is_killed_during_its_call(
    version: str, built: Path, tmp_path: Path
) -> None:
    async with running_peer() as peer:
        with supervised(tmp_path) as made:
            offer(made, peer)
            await asyncio.to_thread(wait_for_bridge, f"{made.url}/healthz", seconds=SECONDS)
            async with go_client(built, f"{made.url}/mcp", version) as client:
                async with asyncio.timeout(SECONDS):
                    while "- raw" not in (await client.turn())["tools"]["ask_agent"]:
                        await asyncio.sleep(0.05)
                client.begin("ask_agent", {"agent": "raw", "message": "sleep 20"})
                async with asyncio.timeout(SECONDS):
                    while not peer.texts:
                        await asyncio.sleep(0.05)
                killed = made.child()
                assert killed is not None
                os.kill(killed, signal.SIGKILL)
                ended = await client.answer()
                if version == RESUMABLE:
                    assert ended["isError"]
                    assert ended["text"].startswith("AnswerLost: "), ended
                    assert not ended["error"]
                    # The same session goes on.
                    again = await client.turn("ask_agent", agent="raw", message="again")
                else:
                    assert ended["error"], ended
            if version != RESUMABLE:
                # As the next turn of an agent does: kagent's runtime connects again by itself.
                async with go_client(built, f"{made.url}/mcp", version) as client:
                    again = await client.turn("ask_agent", agent="raw", message="again")
            assert again["text"].startswith("raw heard: again"), again
    assert peer.texts == ["sleep 20", "again"]
