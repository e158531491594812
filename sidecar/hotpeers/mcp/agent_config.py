"""Adds the bridge to the configuration of a kagent agent: its config.json, merged into a folder.

kagent's runtimes read `config.json` and other files in the folder of `--filepath`, at their start. The
agent of an injected pod reads a folder in memory instead of kagent's Secret. It has all files of the
Secret, and in config.json one more entry of `http_tools` (`HttpMcpServerConfig` of go/api/adk/types.go,
kagent 0.10.0-rc3). The files follow the Secret, for the next start of the agent's container.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotpeers_shim.lineage import HEADER

logger = logging.getLogger(__name__)

CONFIG_FILE = "config.json"
PEER_TOOLS = ("ask_agent", "list_agents", "get_answer")
SPAWN_TOOLS = (
    "search_agents_agentregistry",
    "get_agent_spec",
    "render_agent_manifest",
    "k8s_apply_manifest",
    "wait_for_agent",
    "list_spawned_agents",
    "delete_spawned_agent",
    "run_ephemeral_agent",
)
ALLOWED_HEADERS = ("x-user-id", "authorization", HEADER)
"""Headers of a request to the agent that kagent passes on to the bridge."""
SPAWN_SECONDS = 960.0
"""Timeout of a spawning tool: run_ephemeral_agent may take 900 s."""
MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_FILES = 64
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Server:
    """An MCP server that the agent gets: its URL, its tools, and seconds until a call times out."""

    url: str
    tools: Sequence[str]
    timeout: float
    headers: Sequence[str] = ()


def merge(config: Any, servers: Sequence[Server]) -> Any:
    """A config.json with the servers among its `http_tools`. The given value is not changed.

    A server whose URL is there already is left out, and so are tools that another entry names:
    kagent fails every turn of an agent with two tools of one name. Raises ValueError if the value is
    no configuration.
    """
    listed = (config.get("http_tools") or []) if isinstance(config, dict) else None
    if not isinstance(listed, list):
        raise ValueError(f"{CONFIG_FILE} is not an object, or its http_tools are not a list")  # noqa: TRY004
    taken, urls = _taken(config)
    added = []
    for server in servers:
        tools = [name for name in server.tools if name not in taken]
        if server.url in urls or not tools:
            continue
        entry: dict[str, Any] = {
            "params": {"url": server.url, "headers": {}, "timeout": server.timeout},
            "tools": tools,
        }
        if server.headers:
            entry["allowed_headers"] = list(server.headers)
        added.append(entry)
    return {**config, "http_tools": [*listed, *added]}


def _taken(config: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """The names of tools and the URLs that a configuration has already."""
    names: set[str] = set()
    urls: set[str] = set()
    for kind in ("http_tools", "sse_tools"):
        for entry in config.get(kind) or []:
            if isinstance(entry, dict):
                names.update(str(name) for name in entry.get("tools") or [])
                urls.add(str((entry.get("params") or {}).get("url")))
    for entry in config.get("remote_agents") or []:
        if isinstance(entry, dict):
            names.add(str(entry.get("name")))
    return names, urls


class AgentConfig:
    """Keeps the merged copy of a folder up to date."""

    def __init__(self, source: Path, target: Path, servers: Sequence[Server]) -> None:
        self._source = source
        self._target = target
        self._servers = servers
        self._seen: object = None
        self._problem = ""

    def update(self) -> None:
        """Copy what has changed. A file that cannot be read keeps its last good copy."""
        try:
            seen = _signature(self._source)
            if seen == self._seen:
                return
            for name in sorted(names_of(self._source)):
                self._copy(name)
            self._seen = seen
        except OSError as error:
            self._note(f"{self._source}: {error.strerror or error}")
        else:
            self._problem = ""

    async def follow(self) -> None:
        """Check every second."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await asyncio.to_thread(self.update)

    def _copy(self, name: str) -> None:
        with (self._source / name).open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            self._note(f"{name} is larger than {MAX_FILE_BYTES} bytes, and is left out")
            return
        if name == CONFIG_FILE:
            try:
                merged = merge(json.loads(raw), self._servers)
                raw = json.dumps(merged, ensure_ascii=False).encode()
            except (ValueError, RecursionError) as error:
                # The agent has to start. kagent itself then says what is wrong with the file.
                self._note(f"{CONFIG_FILE} is passed on as it is, without the bridge: {error}")
        write_file(self._target / name, raw)

    def _note(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning("configuration of the agent: %s", problem)
        self._problem = problem


def names_of(folder: Path) -> list[str]:
    """The names of the files in a folder, without hidden ones. Raises OSError."""
    found = [one.name for one in folder.iterdir() if not one.name.startswith(".") and one.is_file()]
    return found[:MAX_FILES]


def _signature(folder: Path) -> tuple[object, ...]:
    """What changes when kubelet replaces the files of a volume, or a person edits one."""
    names = sorted(names_of(folder))
    stats = [(folder / name).stat() for name in names]
    return tuple(
        (name, one.st_ino, one.st_mtime_ns, one.st_size)
        for name, one in zip(names, stats, strict=True)
    )


def write_file(path: Path, raw: bytes) -> None:
    """Replace a file at once. Raises OSError."""
    # The folder is in memory and belongs to one pod; the agent may run as another user.
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(raw)
    temporary.chmod(0o644)
    temporary.replace(path)
