"""The sub-agent as a process of its own, called by the client of each A2A version."""

import asyncio
import os
import sys

import httpx
import pytest
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory

from hotpeers_demo.conversation import Conversation
from hotpeers_demo.processes import Processes, until


@pytest.fixture
async def weather(tmp_path):
    processes = Processes(tmp_path)
    command = [sys.executable, "-m", "hotpeers_demo.subagent", "--name", "weather"]
    child = processes.start("weather", [*command, "--says", "dry."], env=os.environ)
    try:
        yield await child.ready_url()
    finally:
        await processes.close()
    assert not child.alive


@pytest.fixture
async def http():
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture(params=["0.3", "1.0"])
async def talk(request, weather, http):
    card = await A2ACardResolver(http, weather).get_agent_card()
    kept = [i for i in card.supported_interfaces if i.protocol_version.startswith(request.param)]
    assert len(kept) == 1
    del card.supported_interfaces[:]
    card.supported_interfaces.extend(kept)
    factory = ClientFactory(ClientConfig(httpx_client=http))
    return lambda: Conversation(factory.create(card))


async def test_sub_agent_answers_and_remembers_each_conversation(talk):
    one, other = talk(), talk()
    assert (await one.say("will it rain?")).text == "weather says: dry."
    assert (await one.say("what did I ask before?")).text == (
        "weather remembers that you asked: will it rain?"
    )
    assert (await other.say("what did I ask before?")).text == (
        "weather remembers that you asked: nothing"
    )


async def test_sub_agent_holds_a_turn_until_released(talk, weather, http):
    async def asked():
        log = (await http.get(f"{weather}/log")).json()["requests"]
        return log[0] if log else None

    await http.post(f"{weather}/hold")
    turn = asyncio.create_task(talk().say("will it rain?"))
    assert (await until("a question", asked, 60))["answered"] is False
    assert not turn.done()
    await http.post(f"{weather}/release")
    assert (await turn).completed
    assert (await asked())["answered"] is True


async def test_the_card_is_read_by_clients_of_both_versions(weather, http):
    card = (await http.get(f"{weather}/.well-known/agent-card.json")).json()
    assert card["url"] == f"{weather}/"
    assert card["protocolVersion"].startswith("0.3")
    assert [i["protocolVersion"] for i in card["supportedInterfaces"]] == ["1.0", "0.3"]
