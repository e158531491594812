"""Two replicas of the hub behind a Service, and one of them ends while it serves many conversations."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.proxy import Proxy
from kit.apiserver.resources import peer
from kit.apiserver.server import Cluster
from kit.hub import LABELS, hub_process, make_place, wait_for_peer
from kit.raw_mcp import RawSession
from kit.raw_peer import RawPeer, running_peer

CONVERSATIONS = 100
TURNS = 5
pytestmark = pytest.mark.usefixtures("crds")


class Conversation:
    """One conversation, and what became of its calls: the first word of each text that came back."""

    def __init__(self, session: RawSession, number: int) -> None:
        self._session = session
        self._number = number
        self._calls = 0
        self._token = ""
        self.ends: Counter[str] = Counter()

    async def turn(self, turn: int, seconds: float) -> None:
        name = f"of {self._number}.{turn}."
        said = await self._call("ask_agent", message=f"sleep {seconds} {name}", agent="raw")
        while "get_answer(" in said:
            self.ends["pointer"] += 1
            self._token = _token_in(said)
            said = await self._call("get_answer")
        self.ends[said.split(":")[0]] += 1
        if said.startswith("raw heard"):
            assert name in said
            self._token = _token_in(said)

    async def _call(self, tool: str, **arguments: str) -> str:
        self._calls += 1
        answer = await self._session.call_on(
            self._calls, tool, conversation=self._token, **arguments
        )
        return answer["result"]["content"][0]["text"] if answer else "Disconnected"


def _token_in(text: str) -> str:
    found = re.search(r'conversation="([^"]+)"', text)
    assert found, text
    return found.group(1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "asked to end"])
async def test_conversations_survive_the_end_of_a_replica_and_no_call_runs_twice(
    how: signal.Signals,
    cluster: Cluster,
    namespace: str,
    service_account: Callable[..., ServiceAccount],
    tmp_path: Path,
) -> None:
    place = make_place(cluster, service_account(namespace, "hub"), tmp_path)
    token = place.token(place.orchestrator("lead", limits={"concurrentCalls": 500}))
    async with running_peer(RawPeer(own_contexts=True)) as raw, AsyncExitStack() as stack:
        place.api.create(peer(namespace, "raw", f"{raw.url}/", labels=LABELS))
        replicas = [stack.enter_context(hub_process(place, f"hub-{n}")) for n in range(2)]
        for one in replicas:
            await wait_for_peer(one)
        service = Proxy(*(one.port for one in replicas))
        stack.callback(service.close)
        # As pods do, each has connections of its own.
        many = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=many))
        url = f"http://127.0.0.1:{service.port}/mcp"
        conversations = [
            Conversation(await RawSession.begin(http, url, {"X-Hotpeers-Token": token}), number)
            for number in range(CONVERSATIONS)
        ]

        async def talk(one: Conversation) -> None:
            for turn in range(TURNS):
                await one.turn(turn, 0.5)

        talking = [asyncio.create_task(talk(one)) for one in conversations]
        async with asyncio.timeout(60):
            while len(raw.texts) < 2.5 * CONVERSATIONS:
                await asyncio.sleep(0.02)
        replicas[0].process.send_signal(how)
        async with asyncio.timeout(90):
            await asyncio.gather(*talking)
    ends = sum((one.ends for one in conversations), Counter[str]())
    print(f"\n{how.name}: {dict(ends)}")
    ended = ends.total() - ends["pointer"]
    assert ended == TURNS * CONVERSATIONS
    assert max(Counter(raw.texts).values()) == 1, "a call ran twice"
    if how is signal.SIGTERM:
        assert ends["raw heard"] == ended
    assert ends.keys() <= {"raw heard", "pointer", "AnswerLost", "Disconnected"}
    assert ends["AnswerLost"] + ends["Disconnected"] <= CONVERSATIONS
    # Each goes on where it was: in the context that the peer had made, if an answer has named it.
    assert all(one.ends["raw heard"] >= TURNS - 1 for one in conversations)
    assert len(raw.contexts) == CONVERSATIONS
