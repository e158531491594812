"""An agent's peer behind the gateway of kagent 1.x: Sessions that it makes, and messages it refuses."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import peer
from loaded import PRODUCT
from rawkit import WAYS
from scripted import call, results

NAME = "team__NS__weather"
PROGRAM = Path(__file__).parents[1] / "kit" / "gateway.py"

pytestmark = pytest.mark.skipif(
    ("JSONRPC", "1.0") not in WAYS, reason="kagent 1.x speaks A2A 1.x alone"
)


class Gateway:
    """The gateway as a program, because the agent's environment may lack its library."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([PRODUCT, PROGRAM], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url: str = json.loads(self._process.stdout.readline())["url"]

    def _ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/control/{path}", data, timeout=30) as response:
            return json.load(response)

    def config(self, **more: Any) -> None:
        self._ask("config", more)

    def forget(self) -> None:
        self._ask("forget", {})

    @property
    def runs(self) -> list[str]:
        return list(self._ask("log")["runs"])

    @property
    def messages(self) -> list[dict[str, Any]]:
        log = self._ask("log")["log"]
        return [one["params"]["message"] for one in log if "message" in one["params"]]

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=10)


@pytest.fixture
def gateway(peers) -> Iterator[Gateway]:
    running = Gateway()
    url = f"{running.url}/agents/team/weather"
    way = {"binding": "JSONRPC", "protocolVersion": "1.0", "url": url, "streaming": True}
    peers.write(peer("weather", url, interfaces=[{**way, "tenant": "team/weather"}]))
    yield running
    running.stop()


async def test_conversation_goes_on_in_its_session_and_begins_anew_when_it_is_lost(
    gateway, conversation
):
    talk = conversation()
    await talk.turn("go", call(NAME, "one"))
    await talk.turn("go", call(NAME, "ask which"))
    (answer,) = results(await talk.turn("go", call(NAME, "this one")))
    assert "team/weather heard: this one" in answer
    first, asked, answered = gateway.messages
    assert not {"contextId", "taskId"} & first.keys()
    assert asked["contextId"] == answered["contextId"]
    assert answered["taskId"]
    gateway.forget()
    (answer,) = results(await talk.turn("go", call(NAME, "two")))
    assert "this is a new conversation" in answer
    assert "team/weather heard: two" in answer
    assert gateway.runs == ["one", "ask which", "this one", "two"]


async def test_message_that_is_not_accepted_is_sent_again_and_runs_once(gateway, conversation):
    talk = conversation()
    (answer,) = results(await talk.turn("go", call(NAME, "busy 2")))
    assert "heard: busy 2" in answer
    assert gateway.runs == ["busy 2"]
    assert len({one["messageId"] for one in gateway.messages}) == 1
    gateway.config(retry_after="3600000")
    (answer,) = results(await talk.turn("go", call(NAME, "busy 1")))
    assert "it is busy" in answer
    assert "may be asked again later" in answer
    gateway.config(retry_after="100", turned_away=[503])
    (answer,) = results(await talk.turn("go", call(NAME, "three")))
    assert "heard: three" in answer
    assert gateway.runs == ["busy 2", "three"]


async def test_two_calls_of_one_turn_run_one_after_another_in_one_session(gateway, conversation):
    talk = conversation()
    await talk.turn("go", call(NAME, "one"))
    events = await talk.turn("go", call(NAME, "sleep 0.5"), call(NAME, "two"))
    assert all("heard:" in answer for answer in results(events))
    assert len({one.get("contextId") for one in gateway.messages[1:]}) == 1
    assert len(gateway.messages) == 3
