"""A sidecar with a bridge under its supervisor, as in a pod: processes, signals and files."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from hotpeers.hook import wait_for_bridge
from kit.raw_peer import RawPeer, running_peer
from kit.supervised import SECONDS, Supervised, free_port, offer, supervised
from kit.waiting import until


async def ask(client: Client, message: str) -> Any:
    return await client.call_tool("ask_agent", {"agent": "raw", "message": message})


async def kill_while_asking(made: Supervised, peer: RawPeer) -> None:
    """Ask the peer, and kill the sidecar before the answer."""
    async with Client(f"{made.url}/mcp") as client:
        async with asyncio.timeout(SECONDS):
            while (await ask(client, "hi")).is_error:
                await asyncio.sleep(0.05)  # its card has not been read yet
        sent = len(peer.texts)
        asking = asyncio.create_task(ask(client, "sleep 20"))
        async with asyncio.timeout(SECONDS):
            while len(peer.texts) == sent:
                await asyncio.sleep(0.05)
        killed = made.child()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await asyncio.wait_for(asking, SECONDS)


async def test_killed_sidecar_restarts_while_its_callers_wait(tmp_path: Path) -> None:
    async with running_peer() as peer:
        with supervised(tmp_path) as made:
            offer(made, peer)
            await asyncio.to_thread(wait_for_bridge, f"{made.url}/healthz", seconds=SECONDS)
            before = made.child()
            with pytest.raises(ExceptionGroup, match="unhandled errors") as raised:
                await kill_while_asking(made, peer)
            assert "disconnected" in repr(raised.value)
            # The address is never refused: this connects at once, and is answered after the restart.
            async with Client(f"{made.url}/mcp") as client:
                assert not (await ask(client, "again")).is_error
            assert made.child() not in (None, before)
    assert peer.texts[-2:] == ["sleep 20", "again"]


def test_configuration_of_the_agent_exists_when_the_hook_ends(tmp_path: Path) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    target.mkdir()
    (source / "config.json").write_text('{"model": {"type": "openai"}}')
    (source / "agent-card.json").write_text("{}")
    folders = ("--config-from", str(source), "--config-to", str(target))
    with supervised(tmp_path, *folders, "--wait-seconds", "5") as made:
        hook = [sys.executable, "-m", "hotpeers.hook", "bridge", f"{made.url}/healthz"]
        subprocess.run([*hook, str(source), str(target)], check=True, timeout=SECONDS)
        config = json.loads((target / "config.json").read_text())
        (entry,) = config["http_tools"]
        assert entry["params"] == {"url": f"{made.url}/mcp", "headers": {}, "timeout": 25.0}
        assert (target / "agent-card.json").read_text() == "{}"
        (source / "config.json").write_text('{"model": {"type": "ollama"}}')

        def followed() -> bool:
            return "ollama" in (target / "config.json").read_text()

        until("the new configuration", followed, SECONDS)


def test_a_hook_whose_bridge_never_answers_gives_the_agent_its_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    target.mkdir()
    (source / "config.json").write_text("{}")
    began = time.monotonic()
    wait_for_bridge(f"http://127.0.0.1:{free_port()}/healthz", source, target, seconds=0.3)
    assert time.monotonic() - began < 5
    assert (target / "config.json").read_text() == "{}"
    assert "the agent starts without its peers" in capsys.readouterr().err


def test_a_command_that_cannot_run_ends_its_supervisor(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hotpeers.supervisor", "run", "--peers-dir", "/nowhere"]
    command += ["--peer-file", "relative", "--log-level", "none"]
    environment = {**os.environ, "HOTPEERS_BRIDGE_LISTEN": f"127.0.0.1:{free_port()}"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 5
    assert "giving up" in done.stderr
