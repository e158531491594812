"""The clients of docs/clients, each with its real library: a peer appears, and the server is killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hotpeers.hook import wait_for_bridge
from hotpeers_demo.processes import Processes
from hotpeers_demo.stage import base_env
from kit.raw_peer import RawPeer, running_peer
from kit.supervised import SECONDS, offer, supervised

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venvs/clients/bin/python"
CLIENTS = sorted((ROOT / "docs/clients").glob("*.py"))


class Conversation:
    """A client program. A line is a turn."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def say(self, text: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{text}\n".encode())
        said = await asyncio.wait_for(self._process.stdout.readline(), SECONDS)
        assert said, "the client ended"
        return said.decode()

    async def ask(self, **arguments: str) -> str:
        return await self.say(f"Call ask_agent with {json.dumps(arguments)}")


@asynccontextmanager
async def client(program: Path, url: str, model: str, log: Path) -> AsyncIterator[Conversation]:
    environment = {
        **base_env(),
        "OPENAI_BASE_URL": model,
        "OPENAI_API_KEY": "none-needed",
        "OPENAI_DEFAULT_MODEL": "scripted",
        "MODEL": "scripted",
        "HOME": os.environ.get("HOME", "/"),
    }
    pipe = asyncio.subprocess.PIPE
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            PYTHON, program, url, stdin=pipe, stdout=pipe, stderr=errors, env=environment
        )
    try:
        yield Conversation(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
            await process.wait()


@pytest.mark.skipif(not PYTHON.exists(), reason="no .venvs/clients: run make test-programs")
@pytest.mark.parametrize("program", CLIENTS, ids=lambda path: path.stem)
async def test_a_peer_appears_between_two_turns_and_the_conversation_survives_a_killed_server(
    program: Path, tmp_path: Path
) -> None:
    processes = Processes(tmp_path / "logs")
    log = tmp_path / "client.log"
    try:
        command = [sys.executable, "-m", "hotpeers_demo.model_server"]
        model = processes.start("model", command, env=base_env())
        base = f"{await model.ready_url(120)}/v1"
        async with running_peer(RawPeer(own_contexts=True)) as peer:
            with supervised(tmp_path) as made:
                await asyncio.to_thread(wait_for_bridge, f"{made.url}/healthz", seconds=SECONDS)
                async with client(program, f"{made.url}/mcp", base, log) as conversation:
                    before = await conversation.ask(agent="raw", message="one")
                    assert "AgentUnknown" in before, (before, log.read_text()[-2000:])
                    offer(made, peer)
                    async with asyncio.timeout(SECONDS):
                        while "raw heard: two" not in (
                            said := await conversation.ask(agent="raw", message="two")
                        ):
                            await asyncio.sleep(0.1)
                    found = re.search(r'conversation=\\*"([^"\\]+)', said)
                    assert found, said
                    again = await conversation.ask(
                        agent="raw", message="three", conversation=found.group(1)
                    )
                    assert "raw heard: three" in again
                    slow = {"message": "sleep 20", "conversation": found.group(1)}
                    asking = asyncio.create_task(conversation.ask(agent="raw", **slow))
                    async with asyncio.timeout(SECONDS):
                        while peer.texts[-1] != "sleep 20":
                            await asyncio.sleep(0.05)
                    killed = made.child()
                    assert killed is not None
                    os.kill(killed, signal.SIGKILL)
                    assert "AnswerLost" in await asking
                    after = {"message": "four", "conversation": found.group(1)}
                    assert "raw heard: four" in await conversation.ask(agent="raw", **after)
    finally:
        await processes.close()
    assert peer.texts[-4:] == ["two", "three", "sleep 20", "four"]
    assert peer.messages[-1]["contextId"] in peer.contexts
