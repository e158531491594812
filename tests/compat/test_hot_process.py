"""A real kagent-adk process: a new configuration is live with the next request, without a restart."""

import json
import threading
import time

import pytest
from harness import KAGENT
from hot_agent import HotAgent, Servers

from hotpeers_shim.hot.content import Content
from hotpeers_shim.hot.hashing import config_hash
from kit.waiting import until

pytestmark = [
    pytest.mark.needs("hot configuration"),
    pytest.mark.skipif(not KAGENT, reason="plain ADK has no configuration of kagent's"),
]


@pytest.fixture(autouse=True)
def runtime():
    """This program is a separate process: its imports decide about the runtime."""


@pytest.fixture(scope="module")
def servers():
    running = Servers()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory, servers):
    """One process for all tests that need no start of their own."""
    one = HotAgent(tmp_path_factory.mktemp("agent"), servers)
    one.configure(instruction="first")
    one.start()
    yield one
    one.stop()


@pytest.fixture
def agent(running):
    running.configure(instruction="first")
    assert "first" in running.ask()["instruction"]
    running.is_live()
    return running


@pytest.fixture
def fresh(tmp_path, servers):
    """A process that is not started yet."""
    one = HotAgent(tmp_path, servers)
    one.configure(instruction="first")
    yield one
    one.stop()


@pytest.mark.core
def test_each_change_is_live_with_the_next_request(agent):
    first = agent.ask()
    assert (first["model"], first["tools"]) == ("m1", ["ask_user"])
    assert "first" in first["instruction"]
    agent.configure(instruction="second")
    assert "second" in agent.ask()["instruction"]
    agent.configure(
        instruction="second",
        model={"model": "m2", "temperature": 0.5, "headers": {"X-Hot": "yes"}},
        **agent.tools("tick"),
    )
    third = agent.ask()
    assert (third["model"], third["temperature"], third["header"]) == ("m2", 0.5, "yes")
    assert third["tools"] == ["ask_user", "tick"]
    peer = {"name": "team__NS__sub", "url": "http://127.0.0.1:9", "description": "d"}
    agent.configure(instruction="second", remote_agents=[peer], **agent.tools("other"))
    assert agent.ask()["tools"] == ["ask_user", "other", "team__NS__sub"]
    agent.configure(instruction="first")
    assert agent.ask() == first
    agent.is_live()


def test_configuration_is_acked_quickly_without_a_request(agent):
    agent.configure(instruction="second")
    begun = time.monotonic()
    agent.is_live()
    # It takes 0.2 s on an idle machine. Without hotpeers, only a restart brings it.
    assert time.monotonic() - begun < 15


def test_the_wanted_hash_is_verified_in_the_pod(fresh, tmp_path):
    """The annotation that hotpeers' controller writes on a pod whose Deployment is held."""
    info = tmp_path / "pod"
    info.mkdir()
    secrets = b"\x05" * 32

    def hash_of(instruction):
        config = json.dumps(fresh.config(instruction)).encode()
        return config_hash(Content(config, json.dumps(fresh.card).encode()), secrets)

    def want(instruction):
        said = {"hash": hash_of(instruction), "secrets": secrets.hex(), "try": 1}
        (info / "held-config").write_text(json.dumps(said))

    (info / "config-hash").write_text(hash_of("first"))
    (info / "held-config").write_text("")
    fresh.start(HOTPEERS_POD_INFO=str(info))
    assert fresh.is_live()["hash"] == ""
    want("second")
    fresh.configure(instruction="second")
    until(
        "the ack of the second configuration",
        lambda: fresh.acked()["hash"] == hash_of("second"),
        10,
    )
    assert "second" in fresh.ask()["instruction"]


def test_a_turn_in_flight_keeps_its_configuration(agent, servers):
    agent.configure(instruction="first", **agent.tools("tick"))
    found = {}
    turn = threading.Thread(target=lambda: found.update(agent.ask("hold one call tick")))
    turn.start()
    until("the model's step", lambda: servers.get("/held") == ["one"])
    agent.configure(instruction="second", model={"model": "m2"})
    assert agent.ask()["model"] == "m2"
    servers.get("/release/one")
    turn.join(60)
    assert (found["model"], found["tools"]) == ("m1", ["ask_user", "tick"])
    assert "first" in found["instruction"]


def test_bad_configuration_keeps_the_last_good_one_and_is_explained(agent):
    agent.configure({**agent.config(), "instruction": 5, "http_tools": [{"params": {"url": 1}}]})
    said = agent.becomes("refused")
    assert said["reason"] == "ConfigRefused"
    assert "instruction: " in said["message"]
    assert "http_tools.0.params.url: " in said["message"]
    assert "first" in agent.ask()["instruction"]
    agent.configure(b'{"model": ')
    until("the reason NotJson in the ack", lambda: agent.acked()["reason"] == "NotJson")
    assert "first" in agent.ask()["instruction"]
    agent.configure(instruction="better")
    assert "better" in agent.ask()["instruction"]
    agent.is_live()


def test_change_that_needs_a_restart_is_named_and_applied_by_it(fresh):
    fresh.start()
    fresh.configure(instruction="second", stream=True, memory={"ttl_days": 1})
    said = fresh.becomes("restart")
    assert (said["restart"], said["reason"]) == (["memory", "stream"], "RestartNeeded")
    assert "first" in fresh.ask()["instruction"]
    fresh.stop()
    fresh.start()
    assert fresh.is_live()["digest"] != said["digest"]


def test_thirty_changes_while_requests_run(agent):
    """Each turn has one whole configuration, and each change is live with the next one."""
    agent.configure(instruction="number 0 ends", model={"model": "m0"})
    agent.ask()
    done, failures, mixed = threading.Event(), [], []

    def talk():
        while not done.is_set():
            try:
                asked = agent.ask()
            except Exception as error:  # noqa: BLE001 - any of them is a failed turn
                failures.append(error)
                return
            if f"number {asked['model'][1:]} ends" not in asked["instruction"]:
                mixed.append(asked)

    talkers = [threading.Thread(target=talk) for _ in range(4)]
    for talker in talkers:
        talker.start()
    for number in range(1, 31):
        agent.configure(instruction=f"number {number} ends", model={"model": f"m{number}"})
        assert agent.ask()["model"] == f"m{number}"
    done.set()
    for talker in talkers:
        talker.join(60)
    assert (failures, mixed) == ([], [])
    agent.is_live()


def test_configuration_is_not_followed_by_default(tmp_path, servers):
    agent = HotAgent(tmp_path, servers, hot=False)
    try:
        agent.configure(instruction="first")
        agent.start()
        agent.configure(instruction="second")
        assert "first" in agent.ask()["instruction"]
        assert agent.acked() == {}
    finally:
        agent.stop()


def test_a_model_without_its_key_fails_in_the_turn_and_not_before(agent):
    """The same as in a new pod: kagent creates a model's client at its first use."""
    agent.configure(
        {**agent.config(), "model": {"type": "anthropic", "model": "m", "base_url": "http://x"}}
    )
    agent.is_live()
    with pytest.raises(AssertionError, match=r"(?i)api.?key|auth"):
        agent.ask()
    agent.configure(instruction="second")
    assert "second" in agent.ask()["instruction"]
