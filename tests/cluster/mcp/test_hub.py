"""The hub on a real API server: who sees which peers, whose token is accepted, what it reports."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from hotpeers.mcp.hub.hub import Hub
from hotpeers_shim.contract import PeerFile, load_peer_file
from hotpeers_shim.lineage import HEADER, METADATA_KEY
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Object
from kit.apiserver.fixtures import programs
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.resources import (
    GATEWAY_AGENTS,
    INLINE,
    agent,
    gateway_agent,
    install_crd,
    peer,
    remove_crd,
    set_ready,
)
from kit.apiserver.server import Cluster
from kit.gateway import Gateway, running_gateway
from kit.goclient import go_client, program
from kit.hub import LABELS, HubPlace, make_place, running_hub
from kit.raw_mcp import RawSession, request_of
from kit.raw_peer import RawPeer, running_peer
from kit.waiting import until_async

ERAS = ["legacy", "2026-07-28"]
pytestmark = pytest.mark.usefixtures("crds")


@pytest.fixture
def place(
    cluster: Cluster,
    namespace: str,
    service_account: Callable[..., ServiceAccount],
    tmp_path: Path,
) -> HubPlace:
    return make_place(cluster, service_account(namespace, "hub"), tmp_path)


@pytest.fixture
def away(cluster: Cluster, namespace: str) -> Iterator[str]:
    name = f"{namespace}-away"
    create_namespace(cluster.api, name)
    yield name
    remove_namespace(cluster.api, name)


@pytest.fixture
async def raw() -> AsyncIterator[RawPeer]:
    async with running_peer(RawPeer(own_contexts=True)) as made:
        yield made


@pytest.fixture
def gateway_crds(cluster: Cluster) -> Iterator[Callable[[str], None]]:
    """Installs the Agent of kagent 1.x in one form of its spec, until the end of the test."""
    installed: list[str] = []

    def install(form: str) -> None:
        installed.append(form)
        install_crd(cluster.api, GATEWAY_AGENTS[form])

    yield install
    for form in installed:
        remove_crd(cluster.api, GATEWAY_AGENTS[form])


def url_of(hub: Hub, path: str = "/mcp") -> str:
    return f"http://127.0.0.1:{hub.port}{path}"


@asynccontextmanager
async def client_of(
    hub: Hub, token: str, era: str = "auto", **headers: str
) -> AsyncIterator[Client]:
    headers = {"X-Hotpeers-Token": token, **headers}
    async with (
        httpx.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(url_of(hub), http_client=http), mode=era) as client,
    ):
        yield client


def invite(place: HubPlace, namespace: str, readers: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    place.api.patch(manifest, {"metadata": {"annotations": {"hotpeers.dev/readers": readers}}})


def offer(
    place: HubPlace, raw: RawPeer, name: str = "raw", namespace: str = "", **labels: str
) -> Object:
    where = namespace or place.namespace
    return place.api.create(peer(where, name, f"{raw.url}/", labels={**LABELS, **labels}))


async def offered(hub: Hub, title: str, *names: str) -> None:
    """Wait until exactly these peers are offered to the orchestrator, and are ready."""

    def now() -> bool:
        for tenant in hub.tenants:
            if tenant.title == title:
                return sorted(one.name for one in tenant.peers if one.ready) == sorted(names)
        return False

    await until_async(f"{title} to have {names}", now)


def text_of(result: Any) -> str:
    return str(result.content[0].text)


def token_in(text: str) -> str:
    found = re.search(r'conversation="([^"]+)"', text)
    assert found, text
    return found.group(1)


async def ask(client: Client, agent: str, message: str, **more: str) -> Any:
    return await client.call_tool("ask_agent", {"agent": agent, "message": message, **more})


@pytest.mark.parametrize("era", ERAS)
async def test_peer_appears_in_the_same_session_answers_and_goes(
    era: str, place: HubPlace, raw: RawPeer
) -> None:
    lead = place.orchestrator()
    title = f"{place.namespace}/lead"
    async with running_hub(place) as hub, client_of(hub, place.token(lead), era) as client:
        tools = {tool.name for tool in (await client.session.list_tools()).tools}
        assert tools == {"ask_agent", "list_agents", "get_answer"}
        assert "AgentUnknown" in text_of(await ask(client, "raw", "hi"))
        offer(place, raw)
        await offered(hub, title, "raw")
        described = (await client.session.list_tools()).tools[0].description or ""
        assert f"- {place.namespace}/raw: A raw peer" in described
        first = text_of(await ask(client, "raw", "one"))
        assert first.startswith("raw heard: one")
        second = await ask(client, "raw", "two", conversation=token_in(first))
        assert not second.is_error
        place.api.delete(peer(place.namespace, "raw"))
        await offered(hub, title)
        gone = await ask(client, "raw", "three")
        assert gone.is_error
        assert "AgentUnknown" in text_of(gone)
    assert raw.texts == ["one", "two"]
    assert raw.messages[1]["contextId"] in raw.contexts


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_go_client_with_frozen_names_reaches_a_new_peer_in_its_next_turn(
    version: str, place: HubPlace, raw: RawPeer, pytestconfig: pytest.Config
) -> None:
    built = programs(pytestconfig, "the MCP client in Go", program)
    token = place.token(place.orchestrator())
    async with running_hub(place) as hub, go_client(built, url_of(hub), version, token) as client:
        assert client.first["version"] == version
        assert set(client.first["tools"]) == {"ask_agent", "list_agents", "get_answer"}
        offer(place, raw)
        await offered(hub, f"{place.namespace}/lead", "raw")
        first = await client.turn("ask_agent", agent="raw", message="one")
        assert f"- {place.namespace}/raw" in first["tools"]["ask_agent"]
        assert first["text"].startswith("raw heard: one")
        second = await client.turn(
            "ask_agent", agent="raw", message="two", conversation=token_in(first["text"])
        )
        assert not second["isError"], second
    assert raw.messages[1]["contextId"] in raw.contexts


async def test_only_invited_namespaces_are_seen_and_the_own_agent_never(
    place: HubPlace, away: str, raw: RawPeer
) -> None:
    home = place.namespace
    asks = place.orchestrator("asks", namespaces=[home, away])
    everything = place.orchestrator("everything", namespaces=["*"])
    place.orchestrator("homebody")
    offer(place, raw, "near")
    offer(place, raw, "far", away)
    offer(place, raw, "asks")
    async with running_hub(place) as hub:
        await offered(hub, f"{home}/asks", "near")
        await offered(hub, f"{home}/everything", "asks", "near")
        await offered(hub, f"{home}/homebody", "asks", "near")
        (problem,) = hub.tenants.problems
        assert (problem.where, problem.reason) == (
            f"Orchestrator/{home}/asks",
            "NamespaceNotInvited",
        )
        async with client_of(hub, place.token(asks)) as client:
            assert "AgentUnknown" in text_of(await ask(client, f"{home}/asks", "hi"))
            assert away not in text_of(await client.call_tool("list_agents", {}))
        invite(place, away, f"other, {home}")
        await offered(hub, f"{home}/asks", "far", "near")
        await offered(hub, f"{home}/everything", "asks", "far", "near")
        await offered(hub, f"{home}/homebody", "asks", "near")
        assert not hub.tenants.problems
        async with client_of(hub, place.token(everything)) as client:
            said = text_of(await ask(client, f"{away}/far", "hi"))
        assert said.startswith("raw heard: hi")
        invite(place, away, "other")
        await offered(hub, f"{home}/asks", "near")


async def test_an_account_that_is_invited_does_not_invite_an_orchestrator_of_its_name(
    place: HubPlace, away: str, raw: RawPeer
) -> None:
    place.orchestrator("lead", namespaces=["*"])
    offer(place, raw, "far", away)
    offer(place, raw, "near")
    invite(place, away, f"{place.namespace}/lead")
    async with running_hub(place) as hub:
        await offered(hub, f"{place.namespace}/lead", "near")


async def test_allowed_namespaces_of_kagent_agents_are_kept(place: HubPlace, away: str) -> None:
    place.orchestrator("lead", namespaces=["*"])
    invite(place, away, "*")
    labels = {"team": "a"}
    selector = {"from": "Selector", "selector": {"matchLabels": labels}}
    for name, allowed in {
        "same": {"from": "Same"},
        "all": {"from": "All"},
        "by-label": selector,
    }.items():
        one = agent(away, name, labels=LABELS, description="x", allowedNamespaces=allowed)
        place.api.create(one)
        set_ready(place.api, one)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}}

    def names(hub: Hub) -> list[str]:
        return sorted(one.name for tenant in hub.tenants for one in tenant.peers)

    async with running_hub(place) as hub:
        await until_async("the open agent", lambda: names(hub) == ["all"])
        place.api.patch(namespace, {"metadata": {"labels": labels}})
        await until_async("the agent by label", lambda: names(hub) == ["all", "by-label"])


async def test_selector_narrows_the_peers(place: HubPlace, raw: RawPeer) -> None:
    expressions = [{"key": "tier", "operator": "In", "values": ["gold", "silver"]}]
    place.orchestrator("lead", selector={"matchExpressions": expressions})
    offer(place, raw, "a", tier="gold")
    offer(place, raw, "b", tier="tin")
    offer(place, raw, "c")
    async with running_hub(place) as hub:
        await offered(hub, f"{place.namespace}/lead", "a")
        change = {"metadata": {"labels": {"tier": "silver"}}}
        place.api.patch(peer(place.namespace, "b"), change)
        await offered(hub, f"{place.namespace}/lead", "a", "b")


@pytest.mark.parametrize(
    "forge",
    [
        lambda token, _: "",
        lambda token, _: "Bearer",
        lambda token, _: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token, other: ".".join([*token.split(".")[:2], *other.split(".")[2:]]),
        lambda token, _: token.replace(".1.", ".2."),
        lambda token, _: token * 100,
        lambda token, _: "hp1...",
    ],
)
async def test_wrong_tokens_are_rejected_before_anything_is_parsed(
    forge: Callable[[str, str], str], place: HubPlace
) -> None:
    token = place.token(place.orchestrator("a"))
    other = place.token(place.orchestrator("b"))
    large = io.BytesIO(b"{" * 2**20)
    async with running_hub(place) as hub, aiohttp.ClientSession() as http:
        for header in ("X-Hotpeers-Token", "Authorization"):
            given = forge(token, other)
            headers = {header: f"Bearer {given}" if header == "Authorization" else given}
            for path in ("/mcp", "/v1/peers", "/nowhere"):
                async with http.post(url_of(hub, path), data=large, headers=headers) as response:
                    assert response.status == 401, (header, path)
                    assert "X-Hotpeers-Token" in await response.text()
        async with http.get(url_of(hub, "/healthz")) as response:
            assert response.status == 200


async def test_new_token_version_ends_the_old_token_and_so_does_deletion(place: HubPlace) -> None:
    lead = place.orchestrator()
    old, new = place.token(lead), place.token(lead, 2)

    async with running_hub(place) as hub:
        assert hub.tenants.find(old)
        assert not hub.tenants.find(new)
        place.api.patch(lead, {"spec": {"tokenVersion": 2}})
        await until_async("the new token", lambda: hub.tenants.find(new))
        assert not hub.tenants.find(old)
        place.api.delete(lead)
        await until_async("the end of the token", lambda: not hub.tenants.find(new))
        again = place.orchestrator()
        await until_async("the next token", lambda: hub.tenants.find(place.token(again)))
        assert not hub.tenants.find(old)


async def test_session_stream_and_conversation_of_another_orchestrator_give_nothing_of_it(
    place: HubPlace, raw: RawPeer
) -> None:
    mine, other = place.token(place.orchestrator("a")), place.token(place.orchestrator("b"))
    offer(place, raw)
    async with running_hub(place) as hub, aiohttp.ClientSession() as http:
        for name in ("a", "b"):
            await offered(hub, f"{place.namespace}/{name}", "raw")
        session = await RawSession.begin(http, url_of(hub), {"X-Hotpeers-Token": mine})
        begun = await session.first_event(0, "list_agents")
        assert (await session.rest(begun["id"]))["result"]
        thief = RawSession(
            http, url_of(hub), session.headers["Mcp-Session-Id"], {"X-Hotpeers-Token": other}
        )
        assert "AnswerLost" in json.dumps(await thief.rest(begun["id"]))
        said = await session.call(1, "ask_agent", agent="raw", message="hi")
        conversation = token_in(said["result"]["content"][0]["text"])
        stolen = {**session.headers, "X-Hotpeers-Token": other}
        body = request_of(2, "ask_agent", agent="raw", message="hi")
        async with http.post(url_of(hub), data=body, headers=stolen) as response:
            # It is served as a session of the one whose token it is, so under that one's limits.
            assert "raw heard: hi" in await response.text()
        counts = {one.orchestrator.key.name: one.counts.answered for one in hub.tenants}
        assert counts == {"a": 1, "b": 1}
        own = await RawSession.begin(http, url_of(hub), {"X-Hotpeers-Token": other})
        refused = await own.call(
            3, "ask_agent", agent="raw", message="and?", conversation=conversation
        )
        assert "ConversationUnknown" in refused["result"]["content"][0]["text"]
    assert raw.texts == ["hi", "hi"]


async def test_other_replica_continues_a_conversation(place: HubPlace, raw: RawPeer) -> None:
    token = place.token(place.orchestrator())
    offer(place, raw)
    title = f"{place.namespace}/lead"
    async with running_hub(place) as one, running_hub(place, replica="hub-2") as two:
        await offered(one, title, "raw")
        await offered(two, title, "raw")
        async with client_of(one, token) as client:
            first = text_of(await ask(client, "raw", "one"))
        async with client_of(two, token) as client:
            second = await ask(client, "raw", "two", conversation=token_in(first))
    assert not second.is_error
    assert raw.messages[1]["contextId"] in raw.contexts


@pytest.mark.parametrize("passes", [False, True])
async def test_headers_of_the_user_are_passed_on_only_if_the_orchestrator_says_so(
    passes: bool, place: HubPlace, raw: RawPeer
) -> None:
    token = place.token(place.orchestrator(passUserHeaders=passes))
    offer(place, raw)
    user = {"X-User-Id": "ada", "Authorization": "Bearer users-token"}
    async with running_hub(place, user_headers_to=raw.url) as hub:
        await offered(hub, f"{place.namespace}/lead", "raw")
        async with client_of(hub, token, **user) as client:
            await ask(client, "raw", "hi")
    got = raw.headers[0]
    assert got.get("x-user-id") == ("ada" if passes else None)
    assert got.get("authorization") == ("Bearer users-token" if passes else None)
    assert "x-hotpeers-token" not in got


async def test_token_of_the_hub_never_reaches_a_peer(place: HubPlace, raw: RawPeer) -> None:
    token = place.token(place.orchestrator(passUserHeaders=True))
    offer(place, raw)
    async with running_hub(place, user_headers_to=raw.url) as hub, aiohttp.ClientSession() as http:
        await offered(hub, f"{place.namespace}/lead", "raw")
        headers = {"Authorization": f"Bearer {token}"}
        session = await RawSession.begin(http, url_of(hub), headers)
        said = await session.call(1, "ask_agent", agent="raw", message="hi")
        assert not said["result"].get("isError")
    assert token not in json.dumps(raw.headers)


@pytest.mark.parametrize("form", ["flat", "nested"])
async def test_agents_of_kagent_1x_are_listed_and_asked_through_their_gateway(
    form: str, place: HubPlace, away: str, gateway_crds: Callable[[str], None]
) -> None:
    gateway_crds(form)
    home = place.namespace
    lead = place.orchestrator(namespaces=["*"], passUserHeaders=True)
    invite(place, away, home)
    open_to_us = {"hotpeers.dev/allowed-namespaces": home}
    for namespace, name, notes in (
        (home, "weather", {}),
        (home, "lead", {}),
        (away, "open", open_to_us),
        (away, "closed", {}),
    ):
        one = gateway_agent(namespace, name, labels=LABELS, **INLINE[form])
        one["metadata"]["annotations"] = notes
        place.api.create(one)
        set_ready(place.api, one)
    keys = place.folder / "credentials.yaml"
    user = {"X-User-Id": "ada", "Authorization": "Bearer a-token"}
    agents = {f"{home}/weather": "By the card", f"{away}/open": "By the card"}
    users = {"h-token": "hub", "a-token": "ada"}
    async with running_gateway(Gateway(agents=agents, tokens=users)) as gateway:
        # The cards need a token too. It is the hub's own: no user asks for them.
        entry = {"prefix": f"{gateway.url}/agents", "bearer": "h-token", "cardsOnly": True}
        keys.write_text(json.dumps({"credentials": [entry]}))
        settings = {"kagent_gateway": gateway.url, "credentials": str(keys)}
        async with running_hub(place, **settings) as hub:
            await offered(hub, f"{home}/lead", "open", "weather")
            async with client_of(hub, place.token(lead), **user) as client:
                listed = json.loads(text_of(await client.call_tool("list_agents", {})))
                found = {one["agent"]: one["description"] for one in listed["agents"]}
                assert found == {
                    f"{home}/weather": "Tells the weather",
                    f"{away}/open": "Tells the weather",
                }
                first = text_of(await ask(client, "weather", "one"))
                assert first.startswith(f"{home}/weather heard: one")
                second = await ask(client, "weather", "two", conversation=token_in(first))
                assert not second.is_error
                assert f"{away}/open heard" in text_of(await ask(client, "open", "hi"))
                place.api.delete(gateway_agent(home, "weather"))
                await offered(hub, f"{home}/lead", "open")
                assert "AgentUnknown" in text_of(await ask(client, "weather", "three"))
    assert gateway.runs == ["one", "two", "hi"]
    one, two, _ = gateway.messages()
    assert "contextId" not in one
    assert two["contextId"] in gateway.sessions
    # As the user, and the hub's token is not in a message.
    assert {session.creator for session in gateway.sessions.values()} == {"ada"}
    (tenant, *_) = (call["params"]["tenant"] for call in gateway.log if "tenant" in call["params"])
    assert tenant == f"{home}/weather"


async def test_limits_of_an_orchestrator_do_not_touch_another(
    place: HubPlace, raw: RawPeer
) -> None:
    few = {"concurrentCalls": 2, "callsPerMinute": 3}
    tight = place.token(place.orchestrator("tight", limits=few))
    free = place.token(place.orchestrator("free"))
    offer(place, raw)
    async with running_hub(place) as hub:
        for name in ("tight", "free"):
            await offered(hub, f"{place.namespace}/{name}", "raw")
        async with client_of(hub, tight) as client, client_of(hub, free) as other:
            running = [asyncio.create_task(ask(client, "raw", f"sleep 1 {n}.")) for n in range(2)]
            await until_async("two calls", lambda: len(raw.texts) == 2)
            third = await ask(client, "raw", "hi")
            assert "TooManyCalls: 2 calls are running" in text_of(third)
            assert not (await ask(other, "raw", "free")).is_error
            assert not any(one.is_error for one in await asyncio.gather(*running))
            assert not (await ask(client, "raw", "the third")).is_error
            fourth = await ask(client, "raw", "the fourth")
            assert "its 3 calls per minute" in text_of(fourth)
            assert not (await ask(other, "raw", "free")).is_error
    assert "the fourth" not in raw.texts


async def test_lineage_goes_on_with_the_name_of_the_orchestrator(
    place: HubPlace, raw: RawPeer
) -> None:
    token, home = place.token(place.orchestrator()), place.namespace
    offer(place, raw)
    async with running_peer(RawPeer(name="other")) as other:
        offer(place, other, "other")
        async with running_hub(place, user_headers_to=raw.url) as hub:
            await offered(hub, f"{home}/lead", "other", "raw")
            async with client_of(hub, token, **{HEADER: "ops/first"}) as client:
                for name in ("raw", "other"):
                    assert not (await ask(client, name, "hi")).is_error
    assert raw.messages[0]["metadata"] == {METADATA_KEY: ["ops/first", f"{home}/lead"]}
    assert raw.headers[0][HEADER] == f"ops/first,{home}/lead"
    assert HEADER not in other.headers[0]
    assert METADATA_KEY not in (other.messages[0].get("metadata") or {})


async def test_chains_are_as_deep_as_the_orchestrator_says(place: HubPlace, raw: RawPeer) -> None:
    lead = place.orchestrator(limits={"depth": 2})
    offer(place, raw)
    chain = {HEADER: "ops/a,ops/b"}
    async with running_hub(place) as hub, client_of(hub, place.token(lead), **chain) as client:
        await offered(hub, f"{place.namespace}/lead", "raw")
        said = text_of(await ask(client, "raw", "hi"))
        assert "nothing was sent: the chain of calls is too deep" in said
        assert f"ops/a -> ops/b -> {place.namespace}/lead" in said
        (tenant,) = hub.tenants
        assert tenant.counts.failed == {"CallTooDeep": 1}
        place.api.patch(lead, {"spec": {"limits": {"depth": 3}}})
        await until_async("the new limit", lambda: tenant.orchestrator.depth == 3)
        assert not (await ask(client, "raw", "now")).is_error
    assert raw.texts == ["now"]


@dataclass
class AsksItself(RawPeer):
    """A peer that answers only after it has asked the hub for itself, as the Orchestrator of `token`.

    `passes`: whether it passes its lineage on.
    """

    hub: str = ""
    token: str = ""
    passes: bool = True
    heard: list[str] = field(default_factory=list)

    async def _work(self, task: dict[str, Any], text: str) -> None:
        more = {"X-Hotpeers-Token": self.token}
        if self.passes:
            more[HEADER] = self.headers[-1][HEADER]
        async with aiohttp.ClientSession() as http:
            session = await RawSession.begin(http, self.hub, more)
            said = await session.call(1, "ask_agent", agent="raw", message="again")
        self.heard.append(said["result"]["content"][0]["text"])
        await super()._work(task, text)


@pytest.mark.parametrize(
    ("name", "passes", "calls", "refusal"),
    [
        # An agent is never offered to the Orchestrator of its name.
        ("raw", True, 1, "AgentUnknown"),
        # With an Orchestrator of another name, the loop is found when that name comes again.
        ("helper", True, 2, "was called in a loop: {0}/lead -> {0}/helper -> {0}/helper"),
        # A peer that hides its lineage uses up its own calls, and no others.
        ("helper", False, 4, "TooManyCalls: 3 calls are running"),
    ],
)
async def test_peer_that_asks_the_hub_for_itself_comes_to_an_end(
    name: str, passes: bool, calls: int, refusal: str, place: HubPlace
) -> None:
    lead = place.orchestrator("lead")
    own = place.orchestrator(name, limits={"concurrentCalls": 3})
    made = AsksItself(token=place.token(own), passes=passes)
    async with running_peer(made) as peer:
        offer(place, peer)
        async with running_hub(place, user_headers_to=peer.url) as hub:
            peer.hub = url_of(hub)
            await offered(hub, f"{place.namespace}/lead", "raw")
            if name != "raw":
                await offered(hub, f"{place.namespace}/{name}", "raw")
            async with client_of(hub, place.token(lead)) as client:
                said = await ask(client, "raw", "hi")
                assert text_of(said).startswith("raw heard: hi")
    assert len(peer.messages) == calls
    assert refusal.format(place.namespace) in peer.heard[0], peer.heard


async def test_status_and_metrics_report_peers_refusals_and_calls(
    place: HubPlace, raw: RawPeer
) -> None:
    lead = place.orchestrator()
    offer(place, raw)
    place.api.create(agent(place.namespace, "unready", labels=LABELS, description="x"))
    title = f"{place.namespace}/lead"

    def status() -> Object:
        return place.api.read(lead).get("status", {})

    async with running_hub(place) as hub, aiohttp.ClientSession() as http:
        await offered(hub, title, "raw")
        async with client_of(hub, place.token(lead)) as client:
            await ask(client, "raw", "hi")
            await ask(client, "raw", "drop it")
        await until_async(
            "the calls", lambda: status().get("replicas", {}).get("hub-1", {}).get("calls") == 2
        )
        found = status()
        counts = {name: found[name] for name in ("peers", "readyPeers", "refusedPeers")}
        assert counts == {"peers": 1, "readyPeers": 1, "refusedPeers": 1}
        name = f"{place.namespace}/raw"
        assert found["offered"] == [{"peer": name, "source": f"Peer/{name}", "ready": True}]
        (live,) = (one for one in found["conditions"] if one["type"] == "Live")
        assert (live["status"], found["runtime"]) == ("True", "hub")
        assert found["refused"][0]["reason"] == "NotReady"
        (failing,) = found["replicas"]["hub-1"]["failing"]
        assert failing["count"] == 1
        async with http.get(f"http://127.0.0.1:{hub.health_port}/metrics") as response:
            metrics = await response.text()
        assert f'hotpeers_hub_peers{{orchestrator="{title}"}} 1.0' in metrics
        assert f'hotpeers_hub_calls_total{{orchestrator="{title}"}} 1.0' in metrics
        assert "hotpeers_hub_call_failures_total{" in metrics
        assert "hotpeers_event_failures_total 0.0" in metrics

        def events() -> list[Object]:
            return list(place.api.list("v1", "Event", place.namespace)["items"])

        (event,) = await until_async("the Event", events)
        assert (event["reason"], event["type"]) == ("CallsFailed", "Warning")
        assert event["involvedObject"]["uid"] == lead["metadata"]["uid"]
        assert event["message"].startswith(f"{failing['peer']} ({failing['reason']}): ")
    row = place.api.table("hotpeers.dev/v1alpha1", "Orchestrator", place.namespace)["rows"][0]
    # Its name, the peers, the refused ones, and whether the newest list is live.
    assert row["cells"][:4] == ["lead", 1, 1, "True"]


async def test_peer_list_is_served_and_waits_for_the_next_change(
    place: HubPlace, raw: RawPeer
) -> None:
    token = place.token(place.orchestrator())
    title = f"{place.namespace}/lead"
    headers = {"Authorization": f"Bearer {token}"}
    async with running_hub(place) as hub, aiohttp.ClientSession(headers=headers) as http:

        async def get(**more: str) -> tuple[int, str, bytes]:
            names = {name.replace("_", "-"): value for name, value in more.items()}
            async with http.get(url_of(hub, "/v1/peers"), headers=names) as response:
                return response.status, response.headers.get("ETag", ""), await response.read()

        status, tag, body = await get()
        file = load_peer_file(body)
        assert isinstance(file, PeerFile)
        assert (status, file.peers, file.orchestrator) == (200, (), title)
        assert (await get(If_None_Match=tag))[0] == 304
        waiting = asyncio.create_task(get(If_None_Match=tag, Prefer="wait=30"))
        offer(place, raw)
        status, new, body = await waiting
        later = load_peer_file(body)
        assert isinstance(later, PeerFile)
        assert status == 200
        assert new != tag
        assert [one.name for one in later.peers] == ["raw"]
        assert later.generation > file.generation
        assert later.digest == new.strip('"')


async def test_hub_serves_on_while_the_api_server_is_away(
    cluster: Cluster, place: HubPlace, raw: RawPeer
) -> None:
    token = place.token(place.orchestrator())
    offer(place, raw)
    async with running_hub(place) as hub:
        await offered(hub, f"{place.namespace}/lead", "raw")
        async with client_of(hub, token) as client:
            cluster.stop()
            try:
                await until_async("the outage to be seen", hub.problems)
                assert not (await ask(client, "raw", "hi")).is_error
            finally:
                cluster.start()
            offer(place, raw, "later")
            await offered(hub, f"{place.namespace}/lead", "raw", "later")


async def test_hub_without_a_key_is_not_ready_and_says_why(place: HubPlace) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": place.namespace, "name": place.secret},
    }
    place.api.patch(secret, {"data": {"key": None}})
    lead = place.orchestrator()
    from hotpeers.mcp.hub.hub import serve_hub

    async with serve_hub(place.settings()) as hub, aiohttp.ClientSession() as http:
        await until_async(
            "the problem", lambda: any(one.reason == "KeyMissing" for one in hub.problems())
        )
        async with http.get(f"http://127.0.0.1:{hub.health_port}/readyz") as response:
            assert response.status == 503
        async with http.post(
            url_of(hub), headers={"X-Hotpeers-Token": place.token(lead)}
        ) as response:
            assert response.status == 503
