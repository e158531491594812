"""The processes of the conversation: servers, sub-agents, sidecar, orchestrator."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from hotpeers_demo import orchestrator, place
from hotpeers_demo.conversation import Caller
from hotpeers_demo.outcome import CannotStartError
from hotpeers_demo.pace import MOST, Pace
from hotpeers_demo.place import Place
from hotpeers_demo.processes import Child, Processes, WaitedTooLongError
from hotpeers_demo.serving import HOST
from hotpeers_shim import contract

ANSWERS = {"weather": "it will stay dry.", "news": "nobody is bored."}
_START = 90.0

T = TypeVar("T")


@dataclass(frozen=True)
class Cast:
    """The kind of orchestrator, its interpreter, and the model."""

    runtime: str
    python: str
    model: str | None
    """The name of a real model; None for the scripted one."""


@dataclass
class Stage:
    """The running processes, and queries of their state."""

    cast: Cast
    folder: Path
    place: Place
    pace: Pace = field(default_factory=Pace)
    processes: Processes = field(init=False)
    http: httpx.AsyncClient = field(init=False)
    urls: dict[str, str] = field(default_factory=dict)
    orchestrator: Child = field(init=False)
    caller: Caller = field(init=False)
    sidecar: Child = field(init=False)

    def __post_init__(self) -> None:
        self.processes = Processes(self.folder / "logs")
        # Our own servers answer at once, but not on a slow machine.
        self.http = httpx.AsyncClient(timeout=10.0 * MOST, trust_env=False)

    @property
    def peer_file(self) -> Path:
        """The file that the sidecar writes and the orchestrator follows."""
        return self.folder / "peers.json"

    async def start(self) -> None:
        """Start all processes, the slow ones concurrently, and wait until each answers.

        Raises `CannotStartError`.
        """
        await self.place.open()
        await self._start_servers()
        self.start_sidecar()
        self._start_orchestrator()
        self.caller = Caller(self.urls["orchestrator"])
        await asyncio.gather(self.sidecar_ready(), self._orchestrator_ready())

    async def close(self) -> None:
        """End every process."""
        try:
            await self.http.aclose()
            if "orchestrator" in self.urls:
                await self.caller.close()
            await self.place.close()
        finally:
            await self.processes.close()

    def start_sidecar(self) -> None:
        """Start the sidecar as a user would."""
        port = orchestrator.free_port()
        self.urls["sidecar"] = f"http://{HOST}:{port}"
        command = [sys.executable, "-m", "hotpeers", "run", *self.place.source]
        command += ["--peer-file", str(self.peer_file), "--listen", f"{HOST}:{port}"]
        self.sidecar = self.processes.start("sidecar", command, env=base_env())

    async def sidecar_ready(self) -> None:
        """Wait until the sidecar is ready. Raises `CannotStartError`."""

        async def probe() -> bool | None:
            self.sidecar.check()
            try:
                answer = await self.http.get(f"{self.urls['sidecar']}/readyz")
            except httpx.HTTPError:
                return None
            return True if answer.status_code == 200 else None

        await self._await("the sidecar to answer", probe)

    async def add_peer(self, name: str, *, of: str = "", description: str = "") -> None:
        """Add a peer to the place that the sidecar reads. `of` names its sub-agent, if not `name`."""
        agent = of or name
        await self.place.put(name, self.urls[agent], description or self.about(agent))

    async def remove_peer(self, name: str) -> None:
        """Remove a peer."""
        await self.place.take(name)

    def about(self, agent: str) -> str:
        """The description of a sub-agent."""
        return f"Answers questions about {agent}."

    def tool(self, name: str) -> str:
        """The name of the tool of a peer."""
        return place.tool(name)

    def projected(self) -> contract.PeerFile | None:
        """Return the current peer file; None if it is missing or incomplete."""
        try:
            loaded = contract.load_peer_file(self.peer_file.read_bytes())
        except OSError:
            return None
        return loaded if isinstance(loaded, contract.PeerFile) else None

    def ack(self) -> contract.Ack | None:
        """Return the ack of the orchestrator's process; None if it is missing or invalid."""
        path = self.folder / "acks" / f"ack-{self.orchestrator.pid}.json"
        try:
            loaded = contract.load_ack(path.read_bytes())
        except OSError:
            return None
        return loaded if isinstance(loaded, contract.Ack) else None

    async def problems(self) -> list[dict[str, Any]]:
        """Return the problems in the sidecar's status."""
        status = (await self.http.get(f"{self.urls['sidecar']}/status")).json()
        problems: list[dict[str, Any]] = status["problems"]
        return problems

    async def requests(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the requests to the model with a number above `after`."""
        answer = await self.http.get(f"{self.urls['model']}/log", params={"after": after})
        entries: list[dict[str, Any]] = answer.json()["requests"]
        return entries

    async def heard(self, agent: str) -> list[dict[str, Any]]:
        """Return the requests to a sub-agent."""
        entries: list[dict[str, Any]] = (await self.http.get(f"{self.urls[agent]}/log")).json()[
            "requests"
        ]
        return entries

    async def hold(self, agent: str) -> None:
        """Make a sub-agent keep working on each question until it is released."""
        (await self.http.post(f"{self.urls[agent]}/hold")).raise_for_status()

    async def release(self, agent: str) -> None:
        """Let a sub-agent answer again."""
        (await self.http.post(f"{self.urls[agent]}/release")).raise_for_status()

    async def _start_servers(self) -> None:
        env = base_env()
        servers = {"model": ["model_proxy" if self.cast.model else "model_server"]}
        if self.cast.runtime == "kagent":
            servers["controller"] = ["controller"]
        for name, says in ANSWERS.items():
            servers[name] = ["subagent", "--name", name, "--says", says]
        started = {
            name: self.processes.start(
                name, [sys.executable, "-m", f"hotpeers_demo.{module}", *arguments], env=env
            )
            for name, (module, *arguments) in servers.items()
        }
        urls = await asyncio.gather(
            *(
                self._await(f"{name} to print its address", child.printed_url)
                for name, child in started.items()
            )
        )
        self.urls.update(zip(started, urls, strict=True))

    def _start_orchestrator(self) -> None:
        model, model_url = self.cast.model or "scripted", f"{self.urls['model']}/v1"
        folder = self.folder / "orchestrator"
        if self.cast.runtime == "kagent":
            launch = orchestrator.launch_kagent(
                self.cast.python, folder, model, model_url, self.urls["controller"]
            )
        else:
            launch = orchestrator.launch_adk(self.cast.python, folder, model, model_url)
        env = {**base_env(), **launch.env}
        if self.cast.model is None:
            env["OPENAI_API_KEY"] = "none-needed"
        # An agent needs only these two variables to follow a peer file.
        env["PYTHONPATH"] = str(shim_path())
        env["HOTPEERS_PEER_FILE"] = str(self.peer_file)
        self.urls["orchestrator"] = launch.url
        self.orchestrator = self.processes.start("orchestrator", launch.command, env=env)

    async def _orchestrator_ready(self) -> None:
        async def probe() -> bool | None:
            self.orchestrator.check()
            return True if await self.caller.connect() else None

        await self._await("the orchestrator to answer", probe)

    async def _await(self, what: str, probe: Callable[[], Awaitable[T | None]]) -> T:
        try:
            return await self.pace.until(what, probe, _START)
        except WaitedTooLongError as error:
            raise CannotStartError(str(error)) from error


def shim_path() -> Path:
    """Return the folder that `hotpeers shim path` prints."""
    return Path(contract.__file__).resolve().parents[1] / "bootstrap"


def base_env(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a process: this one without the settings of hotpeers.

    HOTPEERS_DISABLE stays.
    """
    ours = os.environ if environ is None else environ
    env = {
        key: value
        for key, value in ours.items()
        if not key.startswith("HOTPEERS_") or key == "HOTPEERS_DISABLE"
    }
    if any(key.lower().endswith("_proxy") for key in env):
        # All servers are on this machine, where a proxy could not reach them.
        for key in ("NO_PROXY", "no_proxy"):
            env[key] = ",".join(filter(None, [env.get(key), HOST, "localhost"]))
    return env
