"""Agents that follow the list of a real hub over HTTP: what they offer, and what ends their list."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Object
from kit.apiserver.processes import free_ports
from kit.apiserver.resources import peer
from kit.apiserver.server import Cluster
from kit.following import Following
from kit.hub import LABELS, HubPlace, make_place
from kit.waiting import until

pytestmark = pytest.mark.usefixtures("crds")
SOON = 10.0
"""Seconds. A change that only the end of a held request brings takes a minute."""


class HubProcess:
    """`hotpeers hub` as a process that can be killed, always on the same port."""

    def __init__(self, place: HubPlace) -> None:
        self.port, self._health = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}/v1/peers"
        self._place = place
        self._log = place.folder / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "HOTPEERS_LISTEN": f"127.0.0.1:{self.port}",
            "HOTPEERS_HEALTH_LISTEN": f"127.0.0.1:{self._health}",
            "HOTPEERS_KEY_SECRET": f"{self._place.namespace}/{self._place.secret}",
            "HOTPEERS_STATE_DIR": str(self._place.folder),
            "KUBECONFIG": str(self._place.kubeconfig),
        }
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hotpeers", "hub"], env=environment, stderr=log
            )

    def is_ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self._health}/readyz", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None


@pytest.fixture
def place(
    cluster: Cluster,
    namespace: str,
    service_account: Callable[..., ServiceAccount],
    tmp_path: Path,
) -> HubPlace:
    return make_place(cluster, service_account(namespace, "hub"), tmp_path)


@pytest.fixture
def hub(place: HubPlace) -> Iterator[HubProcess]:
    made = HubProcess(place)
    made.start()
    try:
        until("the hub to be ready", made.is_ready)
        yield made
    finally:
        made.end(signal.SIGKILL)


@pytest.fixture
def lead(place: HubPlace) -> Object:
    return place.orchestrator()


@pytest.fixture
def agent(place: HubPlace, hub: HubProcess, lead: Object) -> Iterator[Following]:
    """An agent, with its token in a file."""
    (place.folder / "token").write_text(place.token(lead))
    made = Following(place.folder, hub.url, HOTPEERS_PEERS_TOKEN_FILE=str(place.folder / "token"))
    try:
        until("the first list", made.is_live)
        yield made
    finally:
        made.kill()


def offer(place: HubPlace, name: str, **labels: str) -> None:
    """Create a peer whose card cannot be read; it has a description, so it is offered."""
    url, both = "http://127.0.0.1:9/", {**LABELS, **labels}
    place.api.create(peer(place.namespace, name, url, labels=both, description="Helps"))


def test_agent_offers_a_peer_while_it_has_its_label_also_over_a_suspend(
    place: HubPlace, agent: Following
) -> None:
    offer(place, "weather")
    until("the peer", lambda: agent.is_live("weather"), SOON)
    stopped = agent.stop()
    change = {"metadata": {"labels": {"hotpeers.dev/peer": None}}}
    place.api.patch(peer(place.namespace, "weather"), change)
    offer(place, "news")
    agent.resume(stopped)
    until("the current list", lambda: agent.is_live("news"), SOON)
    place.api.delete(peer(place.namespace, "news"))
    until("an empty list", agent.is_live, SOON)
    assert agent.log() == ""
    assert agent.ack()["refusals"] == []


def test_change_of_the_orchestrator_is_followed_at_once(
    place: HubPlace, agent: Following, lead: Object
) -> None:
    selector = {"matchLabels": {"tier": "gold"}}
    # With this selector it gets the list of another one, which was made before its own.
    place.orchestrator("other", selector=selector)
    offer(place, "gold", tier="gold")
    until("one", lambda: agent.is_live("gold"), SOON)
    offer(place, "tin", tier="tin")
    until("both", lambda: agent.is_live("gold", "tin"), SOON)
    place.api.patch(lead, {"spec": {"selector": selector}})
    until("the one", lambda: agent.is_live("gold"), SOON)
    place.api.patch(lead, {"spec": {"selector": None}})
    until("both again", lambda: agent.is_live("gold", "tin"), SOON)
    assert agent.log() == ""


def test_list_stays_while_the_hub_is_away_and_the_next_hub_is_followed(
    place: HubPlace, hub: HubProcess, agent: Following
) -> None:
    live: list[str] = []
    for how in (signal.SIGTERM, signal.SIGKILL):
        hub.end(how)
        offer(place, f"after-{how.name.lower()}")
        until("a word in the ack", lambda: "Connection refused" in agent.problem())
        assert agent.is_live(*live)
        assert f"{hub.url} cannot be followed: " in agent.log()
        assert f"; {len(live)} peers of generation " in agent.log()
        hub.start()
        live.append(f"after-{how.name.lower()}")
        until("the list of the next hub", lambda: agent.is_live(*live))
        until("no word in the ack", lambda: not agent.problem())
        assert f"the peer list of {hub.url} is followed again" in agent.log()
    # A hub that ends has answered the request that it held. One that begins answers 503 for a moment.
    assert "it answered 500" not in agent.log()


def test_list_stays_when_the_token_ends_and_the_new_token_is_used(
    place: HubPlace, agent: Following, lead: Object
) -> None:
    offer(place, "weather")
    until("the peer", lambda: agent.is_live("weather"), SOON)
    place.api.patch(lead, {"spec": {"tokenVersion": 2}})
    until("a word in the ack", agent.problem, SOON)
    assert "it answered 401: the token is missing or wrong" in agent.problem()
    offer(place, "secret")
    until("a word in the log", lambda: "it answered 401" in agent.log())
    assert agent.is_live("weather")
    (place.folder / "token").write_text(f"Bearer {place.token(lead, 2)}\n")
    until("the list", lambda: agent.is_live("secret", "weather"))
    until("no word in the ack", lambda: not agent.problem())
    assert place.token(lead) not in agent.log()
