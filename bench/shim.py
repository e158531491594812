"""What hot peers cost inside the agent, beside the same peers as static tools and beside no shim.

    make bench-shim            # in each generation's environment
    python bench/shim.py --sizes 10,100,1000 --turns 60 --changes 200

Everything is measured in one run, in turn (hot, static, none, hot, …), so that a machine whose speed
drifts slows all three alike: read the ratios. A turn is one message of the user, answered at once by
a model that costs nothing, in a session of its own, with an agent that is kept between the turns.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/compat"))

# Before google.adk.
from loaded import FOLDER, PEER_FILE, PRODUCT, replace_peer_file

# isort: split
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from google.genai import types

from hotpeers.sidecar.shim.install import install_shim
from hotpeers_shim import contract, live
from hotpeers_shim.adapters import role

DONE = LlmResponse(content=types.Content(role="model", parts=[types.Part(text="done")]))


class NullModel(BaseLlm):
    model: str = "null"
    offered: int = 0

    async def generate_content_async(self, llm_request, stream=False):
        self.offered = sum(
            len(tool.function_declarations or []) for tool in llm_request.config.tools or []
        )
        yield DONE


class Agent:
    """One agent, kept between the turns, with or without the shim's toolset."""

    def __init__(self, tools=(), *, hot):
        self.model = NullModel()
        self.sessions = InMemorySessionService()
        agent = LlmAgent(name="boss", model=self.model, tools=list(tools))
        # An agent that was called as a tool is what the shim leaves alone.
        self.cold = not hot
        token = role.nested.set(self.cold)
        self.runner = Runner(app_name="bench", agent=agent, session_service=self.sessions)
        role.nested.reset(token)

    async def turn(self, state=None):
        token = role.nested.set(self.cold)
        try:
            return await self._turn(state)
        finally:
            role.nested.reset(token)

    async def _turn(self, state):
        session = await self.sessions.create_session(app_name="bench", user_id="u", state=state)
        message = types.Content(role="user", parts=[types.Part(text="go")])
        began = time.perf_counter()
        async for _ in self.runner.run_async(
            user_id="u", session_id=session.id, new_message=message
        ):
            pass
        took = time.perf_counter() - began
        await self.sessions.delete_session(app_name="bench", user_id="u", session_id=session.id)
        return took


def peers(count):
    return [
        {
            "name": f"agent-{i}",
            "namespace": "bench",
            "url": f"http://127.0.0.1:9/{i}",
            "description": f"Agent number {i} answers questions about subject {i}.",
        }
        for i in range(count)
    ]


def static_tools(count):
    """The same peers as their users have them today."""
    try:
        import httpx
        from kagent.adk._remote_a2a_tool import KAgentRemoteA2AToolset
    except ImportError:
        return "AgentTool(RemoteA2aAgent)", [_agent_tool(peer) for peer in peers(count)]
    shared = httpx.AsyncClient()
    return "KAgentRemoteA2AToolset", [
        KAgentRemoteA2AToolset(
            name=f"bench__NS__agent_{i}",
            description=peer["description"],
            agent_card_url=peer["url"],
            httpx_client=shared,
        )
        for i, peer in enumerate(peers(count))
    ]


def _agent_tool(peer):
    from google.adk.agents.remote_a2a_agent import RemoteA2aAgent
    from google.adk.tools.agent_tool import AgentTool

    agent = RemoteA2aAgent(
        name="bench__NS__" + peer["name"].replace("-", "_"),
        description=peer["description"],
        agent_card=peer["url"],
    )
    return AgentTool(agent)


def write(listed, generation):
    replace_peer_file(json.dumps({"generation": generation, "peers": listed}).encode())


def limit_tools(count):
    state = live.get()
    state.settings = replace(state.settings, max_tools=count)


async def turns(count, rounds):
    limit_tools(10_000)
    write(peers(count), count)
    kind, tools = static_tools(count)
    agents = {"hot": Agent(hot=True), "static": Agent(tools, hot=False), "none": Agent(hot=False)}
    took = {name: [] for name in agents}
    for number in range(rounds + 3):
        for name, agent in agents.items():
            seconds = await agent.turn()
            if number >= 3:
                took[name].append(seconds * 1e3)
    assert agents["hot"].model.offered == agents["static"].model.offered == count
    middle = {name: statistics.median(values) for name, values in took.items()}
    ratio = statistics.median(h / s for h, s in zip(took["hot"], took["static"], strict=True))
    return kind, middle, ratio


def used(count):
    """The state of a session that has used this many of the peers."""
    return {
        f"hotpeers.dev/peer/bench__NS__agent_{i}": {
            "uid": "",
            "contextId": f"context-{i}",
            "taskId": "",
            "first": 1.7e9 + i,
            "last": 1.7e9 + 2 * i,
        }
        for i in range(count)
    }


async def fleet_turns(count, tools, rounds):
    """Turns with a fleet above the limit, and with as many static tools as the limit."""
    limit_tools(tools)
    write(peers(count), 2_000_000 + count)
    kind, static = static_tools(tools)
    agents = {
        "new": (Agent(hot=True), None),
        "used": (Agent(hot=True), used(100)),
        "static": (Agent(static, hot=False), None),
        "none": (Agent(hot=False), None),
    }
    took = {name: [] for name in agents}
    for number in range(rounds + 3):
        for name, (agent, state) in agents.items():
            seconds = await agent.turn(dict(state) if state else None)
            if number >= 3:
                took[name].append(seconds * 1e3)
    offered = {name: agent.model.offered for name, (agent, _) in agents.items()}
    assert offered == {"new": 2, "used": tools, "static": tools, "none": 0}, offered
    middle = {name: statistics.median(values) for name, values in took.items()}
    ratios = {
        name: statistics.median(h / s for h, s in zip(took[name], took["static"], strict=True))
        for name in ("new", "used")
    }
    return kind, middle, ratios


async def fleet_queries(count):
    """The first query of a fleet, which makes the index, and further ones; in milliseconds."""
    write(peers(count), 3_000_000 + count)
    catalog = live.get().catalog()
    asked = [f"who answers questions about subject {i * 37 % count}" for i in range(300)]
    took = []
    for query in asked:
        began = time.perf_counter()
        assert (await catalog.index.search(query, 20)).peers
        took.append((time.perf_counter() - began) * 1e3)
    names = []
    for number in range(300):
        began = time.perf_counter()
        await catalog.index.peer(f"bench/agent-{number}")
        names.append((time.perf_counter() - began) * 1e3)
    return took[0], sorted(took[1:]), sorted(names)


def full_file(count, generation):
    """A peer file as the sidecar writes it, in which one peer changes with each generation."""
    return contract.dump_peer_file(
        contract.PeerFile(
            generation,
            tuple(
                contract.Peer(
                    name=f"agent-{i}",
                    namespace="bench",
                    url=f"http://agent-{i}.bench:8080",
                    toolName=contract.tool_name("bench", f"agent-{i}"),
                    uid=f"uid-{i}",
                    description=f"Agent number {i} of list {generation if i == 7 else 0}.",
                    fingerprint="sha256:" + "0" * 64,
                    interfaces=(contract.Interface(f"http://agent-{i}.bench:8080"),),
                    skills=(contract.Skill("main", "Answers", "Answers questions", ("a", "b")),),
                )
                for i in range(count)
            ),
            digest=f"sha256:{generation}",
        )
    )


async def fleet_changes(count, changes):
    """The turn after each change of a large list, and the longest stalls of the event loop, in ms."""
    agent = Agent(hot=True)
    stalls, turns, ended = [], [], asyncio.Event()

    async def watch():
        last = time.perf_counter()
        while not ended.is_set():
            await asyncio.sleep(0.001)
            stalls.append((time.perf_counter() - last) * 1e3)
            last = time.perf_counter()

    files = [full_file(count, 4_000_000 + number) for number in range(changes)]
    watching = asyncio.create_task(watch())
    for content in files:
        stalls.clear()
        replace_peer_file(content)
        turns.append((await agent.turn() * 1e3, max(stalls, default=0.0)))
        await asyncio.sleep(0.1)
    ended.set()
    await watching
    return sorted(turn for turn, _ in turns[1:]), sorted(stall for _, stall in turns[1:])


def refresh(count):
    write(peers(count), 1_000_000 + count)
    state = live.get()
    state.catalog()
    runs = []
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(1_000):
            state.catalog()
        runs.append((time.perf_counter() - began) * 1e3)
    return statistics.median(runs)


def interpreter_start(pairs=100):
    bootstrap = install_shim(FOLDER / "shim")
    plain = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environments = {"plain": plain, "shim": plain | {"PYTHONPATH": str(bootstrap)}}
    took = {name: [] for name in environments}
    for _ in range(pairs + 2):
        for name, environ in environments.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", "pass"], env=environ, check=True)
            took[name].append((time.perf_counter() - began) * 1e3)
    added = [s - p for s, p in zip(took["shim"][2:], took["plain"][2:], strict=True)]
    return statistics.median(took["plain"][2:]), statistics.median(added)


async def offered_after_change(changes, standing):
    """From the rename of a manifest into the watched folder to the model's request that offers it."""
    folder = FOLDER / "peers.d"
    folder.mkdir()
    for peer in peers(standing):
        (folder / f"{peer['name']}.json").write_text(manifest(peer["name"]))
    PEER_FILE.unlink()
    sidecar = subprocess.Popen(
        [
            str(PRODUCT),
            "-m",
            "hotpeers",
            "run",
            "--source",
            "directory",
            "--peers-dir",
            str(folder),
            "--peer-file",
            str(PEER_FILE),
            "--listen",
            "none",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        agent = Agent(hot=True)
        while not PEER_FILE.exists() and sidecar.poll() is None:
            await asyncio.sleep(0.01)
        await offers(agent, standing)
        took, steps = [], []
        for number in range(changes):
            target = folder / "newest.json"
            if number % 2:
                began = time.perf_counter()
                target.unlink()
            else:
                temporary = folder / ".newest"
                temporary.write_text(manifest("newest"))
                began = time.perf_counter()
                temporary.replace(target)
            steps.append(await offers(agent, standing + (number % 2 == 0)))
            took.append((time.perf_counter() - began) * 1e3)
        return sorted(took), statistics.median(steps)
    finally:
        sidecar.terminate()
        sidecar.wait(10)


def manifest(name):
    return json.dumps(
        {
            "apiVersion": "hotpeers.dev/v1alpha1",
            "kind": "Peer",
            "metadata": {"name": name, "namespace": "bench"},
            "spec": {"url": "http://127.0.0.1:9", "description": f"{name} answers questions."},
        }
    )


async def offers(agent, count, within=30.0):
    """Run turn after turn until the model is offered `count` peers; returns a turn's milliseconds."""
    end = time.perf_counter() + within
    while time.perf_counter() < end:
        took = await agent.turn()
        if agent.model.offered == count:
            return took * 1e3
        # The sidecar works on the same cores: turns without a pause would measure themselves.
        await asyncio.sleep(0.001)
    raise SystemExit(f"{count} peers were not offered within {within} s")


def percentile(values, part):
    return values[min(len(values) - 1, int(len(values) * part))]


def verdict(good):
    return "holds" if good else "FALLS SHORT"


async def main(options):
    libraries = []
    for package in ("kagent-adk", "google-adk", "a2a-sdk"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            libraries.append(f"{package} {metadata.version(package)}")
    print(f"{', '.join(libraries)}, Python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    print("| turn with | hot | static | no shim | hot / static | target <= 1.0 |")
    print("|---|---|---|---|---|---|")
    for count in options.sizes:
        kind, middle, ratio = await turns(count, options.turns)
        print(
            f"| {count} peers | {middle['hot']:.2f} ms | {middle['static']:.2f} ms "
            f"| {middle['none']:.2f} ms | {ratio:.2f} | {verdict(ratio <= 1.0)} |"
        )
    print(f"\nstatic: {kind}\n")
    print("| | measured | target | |")
    print("|---|---|---|---|")
    for count in options.sizes:
        cost = refresh(count)
        print(
            f"| unchanged refresh, {count} peers | {cost:.1f} us | 10 us | {verdict(cost <= 10)} |"
        )
    plain, added = interpreter_start()
    print(
        f"| interpreter start | {plain:.1f} ms + {added:.1f} ms | + 3 ms | {verdict(added <= 3)} |"
    )
    took, step = await offered_after_change(options.changes, options.standing)
    p99 = percentile(took, 0.99)
    print(
        f"| directory change -> offered ({options.standing} peers, {len(took)} changes) "
        f"| p50 {percentile(took, 0.5):.1f} ms, p99 {p99:.1f} ms, max {took[-1]:.1f} ms "
        f"(a turn: {step:.1f} ms) | p99 50 ms | {verdict(p99 <= 50)} |"
    )
    print()
    print(
        f"| turn, {options.fleet} peers, at most 64 tools | hot | 64 static | no shim "
        "| hot / static | target <= 2.0 |"
    )
    print("|---|---|---|---|---|---|")
    kind, middle, ratios = await fleet_turns(options.fleet, 64, options.turns)
    for name, title in (("new", "a new session"), ("used", "a session that used 100 peers")):
        print(
            f"| {title} | {middle[name]:.2f} ms | {middle['static']:.2f} ms "
            f"| {middle['none']:.2f} ms | {ratios[name]:.2f} | {verdict(ratios[name] <= 2.0)} |"
        )
    first, queries, names = await fleet_queries(options.fleet)
    print(
        f"\nlist_agents, {options.fleet} peers: {first:.0f} ms for the first query, then p50 "
        f"{percentile(queries, 0.5):.1f} ms, p99 {percentile(queries, 0.99):.1f} ms; the name of "
        f"ask_agent: p99 {percentile(names, 0.99):.3f} ms"
    )
    changed, stalls = await fleet_changes(options.fleet, 30)
    print(
        f"\nthe turn after a change of the list: p50 {percentile(changed, 0.5):.0f} ms, in which the "
        f"event loop stands still for {percentile(stalls, 0.5):.0f} ms (p50) to {stalls[-1]:.0f} ms\n"
    )


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="10,100,1000")
    parser.add_argument("--fleet", type=int, default=10_000, help="peers of the large fleet")
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--standing", type=int, default=10, help="peers beside the changing one")
    options = parser.parse_args()
    options.sizes = [int(size) for size in options.sizes.split(",")]
    asyncio.run(main(options))
