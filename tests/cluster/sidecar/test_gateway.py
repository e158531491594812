"""Agents of kagent 1.x as peers: on a real API server, and called through a gateway that no SDK wrote."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client

from kit.apiserver.namespaces import create_namespace
from kit.apiserver.resources import (
    AGENTS,
    GATEWAY_AGENTS,
    INLINE,
    PEERS,
    REFERRED,
    agent,
    gateway_agent,
    install_crd,
    remove_crd,
    set_ready,
)
from kit.apiserver.server import Cluster
from kit.gateway import Gateway, running_gateway
from kit.sidecars import Sidecar
from kit.supervised import free_port
from kit.waiting import until_async

LABELS = {"hotpeers.dev/peer": "true"}
SECONDS = 120.0


@asynccontextmanager
async def sidecar_of(
    cluster: Cluster, gateway: str, folder: Path, *more: str
) -> AsyncIterator[Sidecar]:
    made = Sidecar(folder)
    options = ["--source", "kubernetes", "--kubeconfig", str(cluster.kubeconfig)]
    options += ["--namespaces", "team,far", "--orchestrator", "team/lead"]
    await asyncio.to_thread(made.start, *options, "--kagent-gateway", gateway, *more)
    try:
        yield made
    finally:
        # The gateway runs on meanwhile, and sees the end of each connection.
        await asyncio.to_thread(made.stop)


def refusals(sidecar: Sidecar) -> dict[str, str]:
    return {one["name"]: one["reason"] for one in sidecar.status()["refused"]}


@pytest.mark.parametrize("form", ["flat", "nested"])
async def test_agent_of_a_group_that_is_installed_later_is_asked_through_the_gateway(
    form: str, own_cluster: Cluster, tmp_path: Path
) -> None:
    await asyncio.to_thread(own_cluster.start)
    api, port = own_cluster.api, free_port()
    for namespace in ("team", "far"):
        create_namespace(api, namespace)
    install_crd(api, PEERS)
    agents = {f"team/{name}": "By the card" for name in ("weather", "news", "old")}
    bridge = f"127.0.0.1:{port}"
    async with (
        running_gateway(Gateway(agents=agents)) as gateway,
        sidecar_of(own_cluster, f"{gateway.url}/", tmp_path, "--bridge-listen", bridge) as made,
    ):
        assert made.names() == []
        assert made.status()["problems"] == []
        install_crd(api, GATEWAY_AGENTS[form])
        one = gateway_agent("team", "weather", labels=LABELS, **INLINE[form])
        api.create(one)
        await until_async(
            "the refusal of an Agent that is not ready",
            lambda: refusals(made) == {"team/weather": "NotReady"},
            SECONDS,
        )
        set_ready(api, one)
        await until_async("the peer", lambda: made.names() == ["weather"], SECONDS)
        await until_async("its card", lambda: made.read().peers[0].ready, SECONDS)
        (peer,) = made.read().peers
        assert peer.source == "Agent.api.kagent.dev/team/weather"
        assert peer.url == f"{gateway.url}/agents/team/weather"
        assert (peer.description, peer.userHeaders) == ("Tells the weather", True)
        assert [(one.binding, one.url, one.tenant) for one in peer.interfaces] == [
            ("JSONRPC", peer.url, "team/weather"),
            ("GRPC", gateway.url, "team/weather"),
        ]
        async with Client(f"http://{bridge}/mcp", mode="legacy") as client:
            said = await ask(client, "team/weather", "one")
            assert said.startswith("team/weather heard: one"), said
            token = re.findall(r'conversation="([^"]+)"', said)[0]
            said = await ask(client, "team/weather", "two", conversation=token)
            assert said.startswith("team/weather heard: two"), said
            first, second = gateway.messages()
            assert "contextId" not in first
            assert second["contextId"] in gateway.sessions

            # A template elsewhere has no description here: that of the card is used.
            other = gateway_agent("team", "news", labels=LABELS, **REFERRED[form])
            api.create(other)
            set_ready(api, other)
            # The form of another version of kagent: the API server drops what it does not know.
            cut = gateway_agent("team", "old", labels=LABELS, **REFERRED[form])
            cut["spec"]["template" if form == "nested" else "harness"]["unknown"] = {"a": 1}
            api.create(cut)
            set_ready(api, cut)
            await until_async("three", lambda: set(made.names()) == {*["weather", "news", "old"]})
            await until_async(
                "their cards", lambda: all(peer.ready for peer in made.read().peers), SECONDS
            )
            found = {peer.name: peer.description for peer in made.read().peers}
            assert found == {
                "weather": "Tells the weather",
                "news": "By the card",
                "old": "By the card",
            }

            api.delete(one)
            await until_async("one to be gone", lambda: "weather" not in made.names(), SECONDS)
            assert "AgentUnknown" in await ask(client, "team/weather", "three")
        await asyncio.to_thread(remove_crd, api, GATEWAY_AGENTS[form])
        await until_async("all to be gone", lambda: made.names() == [], SECONDS)
        assert made.status()["problems"] == []
    assert gateway.runs == ["one", "two"]


async def test_both_generations_of_kagent_on_one_cluster(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    await asyncio.to_thread(own_cluster.start)
    api = own_cluster.api
    for namespace in ("team", "far"):
        create_namespace(api, namespace)
    for file in (PEERS, AGENTS, GATEWAY_AGENTS["flat"]):
        install_crd(api, file)
    spec = INLINE["flat"]
    made = [
        agent("team", "same", labels=LABELS, description="Of 0.x"),
        agent("team", "before", labels=LABELS, description="Of 0.x"),
        gateway_agent("team", "lead", labels=LABELS, **spec),
        gateway_agent("team", "after", labels=LABELS, **spec),
        gateway_agent("far", "closed", labels=LABELS, **spec),
        gateway_agent("far", "open", labels=LABELS, **spec),
        gateway_agent("team", "moved", labels=LABELS, **spec),
        gateway_agent("team", "wrong", labels=LABELS, **spec),
    ]
    notes = {"open": {"allowed-namespaces": "sea, team"}, "moved": {"url": "http://127.0.0.1:9/m"}}
    notes["wrong"] = {"allowed-namespaces": "Team!"}
    for one in made:
        found = notes.get(one["metadata"]["name"], {})
        one["metadata"]["annotations"] = {f"hotpeers.dev/{key}": found[key] for key in found}
        api.create(one)
        set_ready(api, one)
    # Creation times have whole seconds.
    began = time.time()
    await until_async("a later second", lambda: time.time() > began + 1)
    same = gateway_agent("team", "same", labels=LABELS, **spec)
    api.create(same)
    set_ready(api, same)
    agents = {"team/after": "a", "far/open": "o"}
    async with (
        running_gateway(Gateway(agents=agents)) as gateway,
        sidecar_of(own_cluster, gateway.url, tmp_path) as sidecar,
    ):
        await until_async("five peers", lambda: len(sidecar.names()) == 5, SECONDS)
        assert {peer.source: peer.userHeaders for peer in sidecar.read().peers} == {
            "Agent/team/same": True,
            "Agent/team/before": True,
            "Agent.api.kagent.dev/team/after": True,
            "Agent.api.kagent.dev/far/open": True,
            "Agent.api.kagent.dev/team/moved": False,
        }
        assert refusals(sidecar) == {
            "team/lead": "IsOrchestrator",
            "team/same": "NameCollision",
            "far/closed": "NamespaceNotInvited",
        }
        (problem,) = [one for one in sidecar.status()["problems"] if one["reason"] == "WrongShape"]
        assert problem["where"] == "Agent.api.kagent.dev/team/wrong"


async def ask(client: Client, agent_name: str, message: str, **more: str) -> str:
    asked = {"agent": agent_name, "message": message, **more}
    result = await client.call_tool("ask_agent", asked)
    return str(result.content[0].text)  # type: ignore[union-attr]
