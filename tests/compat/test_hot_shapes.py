"""Real shapes of config.json, checked by each kagent version's own classes."""

import gc
import json
import threading
import time
from pathlib import Path

import pytest
from harness import KAGENT

from hotpeers_shim.hot.folder import Folder
from hotpeers_shim.hot.follower import HotConfig
from kit.hot_files import Volume

pytestmark = [
    pytest.mark.needs("hot configuration"),
    pytest.mark.skipif(not KAGENT, reason="plain ADK has no configuration of kagent's"),
]
VERSION = tuple(int(part) for part in KAGENT.split(".")[:2] if part.isdigit())
MODEL = {"type": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
START = {"model": MODEL, "description": "d", "instruction": "first"}
MCP = {"params": {"url": "http://127.0.0.1:9/mcp", "headers": {"authorization": "Bearer SECRET"}}}
SUB = {"name": "team__NS__sub", "url": "http://127.0.0.1:9", "description": "d"}
COMPACTION = {"compaction_interval": 3, "overlap_size": 1}


@pytest.fixture(autouse=True)
def runtime():
    """These tests need kagent's runtime."""


@pytest.fixture
def kagent_runtime():
    from kagent.adk import types

    from hotpeers_shim.adapters.hotconfig import KagentRuntime

    kind = types.AgentConfig
    return KagentRuntime(types, kind, kind.model_validate, kind.to_agent)


class Agent:
    """A configuration that is followed, and the agents that are made of it as kagent does."""

    def __init__(self, volume, runtime, start=START):
        from hotpeers_shim.adapters.hotconfig import _building

        self.volume = volume
        volume.configure(start)
        self.hot = HotConfig(Folder(volume.path))
        data = json.loads(json.dumps(start))
        content = self.hot.read_at_start(data)
        self.config = runtime.validate(data)
        self.hot.adopt(runtime, self.config, content)
        self._make = _building(runtime.kind.to_agent, self.hot)

    def change(self, config):
        """Replace the file; returns the ack for it."""
        self.volume.configure(config)
        self.hot.look()
        return self.hot.ack()

    def make(self):
        return self._make(self.config, "agent")


@pytest.fixture
def agent(tmp_path, kagent_runtime):
    return Agent(Volume(tmp_path / "config"), kagent_runtime)


HOT = {
    "instruction": {"instruction": "second"},
    "an empty instruction": {"instruction": ""},
    "1 MiB of instruction": {"instruction": "x" * 1024 * 1024},
    "another model": {"model": {**MODEL, "model": "m2"}},
    "parameters": {"model": {**MODEL, "temperature": 0.1, "max_tokens": 5, "seed": 1}},
    "headers of the model": {"model": {**MODEL, "headers": {"x": "y"}}},
    "TLS of the model": {"model": {**MODEL, "tls_disable_verify": True}},
    "another provider": {"model": {"type": "anthropic", "model": "m"}},
    "a provider on this machine": {
        "model": {"type": "ollama", "model": "m", "options": {"num_ctx": "1"}}
    },
    "http_tools": {"http_tools": [{**MCP, "tools": ["a", "b"], "require_approval": ["a"]}]},
    "sse_tools": {"sse_tools": [{**MCP, "tools": ["a"], "allowed_headers": ["authorization"]}]},
    "remote_agents": {"remote_agents": [SUB, {**SUB, "name": "b", "timeout": 5}]},
    "remote agents behind a proxy": {
        "remote_agents": [{**SUB, "headers": {"x-kagent-host": "sub.team"}}]
    },
    "execute_code": {"execute_code": True},
    "network": {"network": {"allowed_domains": ["example.com"]}},
    "context_config": {"context_config": {"compaction": COMPACTION}},
    "a summarizer": {"context_config": {"compaction": {**COMPACTION, "summarizer_model": MODEL}}},
    "stream from null to false": {"stream": False},
    "an unknown field": {"of_a_later_version": {"x": 1}},
    "an unknown field of the model": {"model": {**MODEL, "of_a_later_version": 1}},
    "a field of 0.10": {"share_tools": True},
}


@pytest.mark.parametrize("change", HOT.values(), ids=HOT)
def test_change_is_live_with_the_next_agent_and_can_be_reverted(agent, change):
    said = agent.change({**START, **change})
    assert (said.state, said.reason) == ("live", "")
    made = agent.make()
    again = agent.change(START)
    assert again.state == "live"
    assert agent.make().static_instruction == "first"
    wanted = change.get("instruction", "first")
    assert made.static_instruction == wanted


COLD = {
    "stream": ({"stream": True}, ("stream",)),
    "memory": ({"memory": {"ttl_days": 0}}, ("memory",)),
    "the key of the caller": (
        {"model": {**MODEL, "api_key_passthrough": True}},
        ("model.api_key_passthrough",),
    ),
}


@pytest.mark.parametrize(("change", "names"), COLD.values(), ids=COLD)
@pytest.mark.parametrize("added", [True, False])
def test_change_that_needs_a_restart_is_named(tmp_path, kagent_runtime, change, names, added):
    changed = {**START, **change}
    before, after = (START, changed) if added else (changed, START)
    agent = Agent(Volume(tmp_path / "config"), kagent_runtime, before)
    said = agent.change({**after, "instruction": "second"})
    assert (said.state, said.restart) == ("restart", names)
    assert agent.make().static_instruction.startswith("first")


@pytest.mark.skipif(VERSION < (0, 10), reason="a field of 0.10")
def test_changed_session_store_needs_a_restart(agent):
    assert agent.change({**START, "session_db_url": "sqlite://"}).restart == ("session_db_url",)


REFUSED = {
    "null": (None, "WrongShape"),
    "no object": ([], "WrongShape"),
    "an empty object": ({}, "ConfigRefused"),
    "a null model": ({**START, "model": None}, "ConfigRefused"),
    "an unknown type of model": ({**START, "model": {**MODEL, "type": "x"}}, "ConfigRefused"),
    "a null instruction": ({**START, "instruction": None}, "ConfigRefused"),
    "a wrong type": ({**START, "remote_agents": {}}, "ConfigRefused"),
    "a tool without a URL": (
        {**START, "http_tools": [{"params": {}, "tools": []}]},
        "ConfigRefused",
    ),
    "an option that is no number": (
        {**START, "model": {"type": "ollama", "model": "m", "options": {"num_ctx": "many"}}},
        "ConfigRefused",
    ),
    "a header that HTTP cannot carry": (
        {**START, "remote_agents": [{**SUB, "headers": {"x": "SECRET\u2026"}}]},
        "ConfigRefused",
    ),
    "a secret in the wrong place": (
        {
            **START,
            "http_tools": [{"params": {"url": "http://x", "headers": "SECRET"}, "tools": []}],
        },
        "ConfigRefused",
    ),
}


@pytest.mark.parametrize(("config", "reason"), REFUSED.values(), ids=REFUSED)
def test_configuration_that_kagent_refuses_is_refused(agent, caplog, config, reason):
    said = agent.change(config)
    assert (said.state, said.reason) == ("refused", reason)
    assert said.message
    assert "SECRET" not in said.message + caplog.text
    assert agent.make().static_instruction == "first"
    assert agent.change({**START, "instruction": "second"}).state == "live"
    assert agent.make().static_instruction == "second"


def test_tools_without_names_as_this_version_takes_them(agent):
    """kagent's controller writes null for all tools of a server; before 0.9.2 that ended the agent."""
    said = agent.change({**START, "http_tools": [{**MCP, "tools": None}]})
    assert said.state == ("refused" if VERSION < (0, 9) else "live")
    if said.state == "refused":
        assert "http_tools.0.tools" in said.message


def test_a_configuration_that_fails_in_a_request_is_taken_back(agent, monkeypatch, caplog):
    """The trial found it good, and a request does not."""
    from kagent.adk import types

    agent.change({**START, "instruction": "second"})
    original = types._create_llm_from_model_config
    calls = []

    def fails_once(model):
        calls.append(model)
        if len(calls) == 1:
            "SECRET\u2026".encode("ascii")
        return original(model)

    monkeypatch.setattr(types, "_create_llm_from_model_config", fails_once)
    assert agent.make().static_instruction == "first"
    assert agent.hot.ack().reason == "ConfigRefused"
    assert "ascii" in caplog.text
    assert "SECRET" not in caplog.text


def test_trials_leak_no_resources(agent):
    tools = [{**MCP, "tools": ["a"]}] * 3
    subs = [{**SUB, "name": f"s{number}"} for number in range(3)]
    full = {**START, "http_tools": tools, "remote_agents": subs}

    def open_now():
        return sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count()

    def clients():
        import httpx

        gc.collect()
        return sum(isinstance(one, httpx.AsyncClient) for one in gc.get_objects())

    agent.change({**full, "instruction": "warm"})
    before, clients_before = open_now(), clients()
    for number in range(40):
        assert agent.change({**full, "instruction": str(number)}).state == "live"
    # Not equal: a thread of kagent's libraries may end meanwhile (litellm's, in kagent-adk 0.7).
    assert all(now <= then for now, then in zip(open_now(), before, strict=True))
    # Those of the last configuration may still be referred to; other tests left theirs before.
    assert clients() < clients_before + 10


def test_check_for_changes_is_cheap(agent):
    agent.make()
    agent.hot.look()
    begun = time.perf_counter()
    for _ in range(2000):
        agent.hot.before_build(agent.config)
        agent.hot.after_build(agent.config)
    each = (time.perf_counter() - begun) / 2000
    assert each < 0.0002
