"""compose.yaml, followed as docs/demo.md says: one conversation while sub-agents come and go."""

import json
import shutil
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from docker.client import Docker
from kit.waiting import TookTooLongError, until

PROJECT = "hotpeers-test"
SERVERS = ("controller", "model", "news", "orchestrator", "sidecar", "weather")
IMAGES = ("hotpeers", "hotpeers-demo", "hotpeers-orchestrator")
SOON = 60.0


@dataclass(frozen=True)
class Stage:
    """The project, up."""

    docker: Docker
    folder: Path
    build: float = 0.0
    """Seconds that the images took."""
    up: float = 0.0
    """Seconds from `docker compose up` until all is healthy, the images being there."""

    def compose(self, *arguments: str) -> str:
        return self.docker.run("compose", "--project-name", PROJECT, *arguments, cwd=self.folder)

    def ask(self, text: str, *options: str) -> str:
        return self.compose("run", "--rm", "ask", *options, text).strip()

    def status(self) -> dict:
        address = self.compose("port", "sidecar", "8090").strip()
        with urllib.request.urlopen(f"http://{address}/status", timeout=5) as answer:
            return json.load(answer)

    def live(self) -> list[str]:
        """The peers that are live in every agent process; empty before all have acked."""
        status = self.status()
        if status["ackedGeneration"] != status["generation"]:
            return []
        return sorted(peer["name"] for peer in status["peers"])

    def containers(self) -> dict[str, tuple[str, int, int, str]]:
        """Of each server: its container, process, restarts and start."""
        found = {}
        for name in SERVERS:
            container = self.compose("ps", "--quiet", name).strip()
            about = json.loads(self.docker.run("container", "inspect", container))[0]
            state = about["State"]
            found[name] = (container, state["Pid"], about["RestartCount"], state["StartedAt"])
        return found


@pytest.fixture(scope="module")
def stage(docker: Docker, checkout: Path):
    stage = Stage(docker, checkout)
    try:
        began = time.monotonic()
        stage.compose("build")
        built = time.monotonic()
        stage.compose("up", "--build", "--detach", "--wait")
        yield replace(stage, build=built - began, up=time.monotonic() - built)
    finally:
        stage.compose("--profile", "ask", "down", "--volumes", "--rmi", "all", "--timeout", "5")


def await_live(stage: Stage, *names: str) -> None:
    try:
        until(f"{sorted(names)} to be live", lambda: stage.live() == sorted(names), SOON)
    except TookTooLongError as error:
        raise AssertionError(f"{error}: {stage.status()}") from error


def timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def test_one_conversation_while_sub_agents_come_and_go(stage: Stage, tell) -> None:
    before = stage.containers()
    tell(f"docker compose build: {stage.build:.0f} s, then up --wait: {stage.up:.0f} s")
    for image in IMAGES:
        tell(f"{image}: {stage.docker.size(f'{image}:compose') / 1e6:.0f} MB")
    offered, manifest = "demo__NS__news", stage.folder / "peers.d" / "news.yaml"

    await_live(stage, "weather")
    assert offered not in stage.ask("Which agents do you have?")
    assert stage.ask("Ask weather: will it rain?") == "weather says: it will stay dry."
    assert "no agent called news" in stage.ask("Ask news: what is new?")

    def add() -> None:
        shutil.copy(stage.folder / "compose" / "news.yaml", manifest)
        await_live(stage, "news", "weather")

    tell(f"a manifest is dropped → the agent says that it is live: {timed(add):.2f} s")
    assert stage.ask("Ask news: what is new?") == "news says: nobody is bored."
    assert offered in stage.ask("Which agents do you have?")
    remembered = "news remembers that you asked: what is new?"
    assert stage.ask("Ask news: what did I ask you before?") == remembered

    def remove() -> None:
        manifest.unlink()
        await_live(stage, "weather")

    tell(f"it is removed → the agent says that it is gone: {timed(remove):.2f} s")
    assert offered not in stage.ask("Which agents do you have?")
    assert "no longer available" in stage.ask("Call the news agent again.")
    assert stage.ask("Ask weather: and now?") == "weather says: it will stay dry."

    after = stage.containers()
    assert after == before
    assert {restarts for _, _, restarts, _ in after.values()} == {0}


def test_conversation_continues_without_the_sidecar(stage: Stage) -> None:
    before = stage.containers()
    stage.compose("kill", "sidecar")
    assert stage.ask("Ask weather: is anybody there?") == "weather says: it will stay dry."
    stage.compose("up", "--detach", "--wait", "--no-recreate")
    await_live(stage, "weather")
    assert stage.containers()["orchestrator"] == before["orchestrator"]


def test_conversations_are_kept_separate(stage: Stage) -> None:
    stage.ask("Ask weather: is it Monday?", "--conversation", "first")
    question = "Ask weather: what did I ask you before?"
    assert "is it Monday?" in stage.ask(question, "--conversation", "first")
    assert stage.ask(question, "--conversation", "second").endswith("asked: nothing")


def test_plain_http_client_gets_an_answer(stage: Stage) -> None:
    """The request of docs/demo.md, from outside of the containers."""
    parts = [{"kind": "text", "text": "Ask weather: will it rain?"}]
    message = {"role": "user", "messageId": "1", "parts": parts}
    body = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": message}}
    address = stage.compose("port", "orchestrator", "8080").strip()
    request = urllib.request.Request(
        f"http://{address}/", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        result = json.load(answer)["result"]
    assert result["artifacts"][0]["parts"][0]["text"] == "weather says: it will stay dry."


def test_orchestrator_image_holds_no_part_of_hotpeers(stage: Stage) -> None:
    """Hotpeers comes only from mounts and variables; the same image runs without them."""
    look = "import importlib.util as u; print([n for n in ('hotpeers', 'hotpeers_shim') if u.find_spec(n)])"
    image = "hotpeers-orchestrator:compose"
    found = stage.docker.run("run", "--rm", "--entrypoint", "python", image, "-c", look)
    assert found.strip() == "[]"


def test_every_container_is_confined(stage: Stage) -> None:
    for container in stage.compose("ps", "--all", "--quiet").split():
        about = json.loads(stage.docker.run("container", "inspect", container))[0]
        host = about["HostConfig"]
        assert about["Config"]["User"] == "65532:65532", about["Name"]
        assert host["ReadonlyRootfs"], about["Name"]
        assert host["CapDrop"] == ["ALL"], about["Name"]
        published = [place for places in (host["PortBindings"] or {}).values() for place in places]
        assert {place["HostIp"] for place in published} <= {"127.0.0.1"}, about["Name"]
