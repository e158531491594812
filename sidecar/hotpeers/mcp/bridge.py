"""The bridge: the peer tools of one orchestrator, from the peer file of its sidecar.

To the sidecar it is one more agent process: it follows the peer file, writes acks, and reports
failing calls (`hotpeers_shim.live`). So status, metrics and credentials work as for the shim.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hotpeers_shim.calls import wire
from hotpeers_shim.calls.pool import Pool
from hotpeers_shim.live import Live
from hotpeers_shim.settings import Settings

from ..base.errors import SettingsError
from ..base.settings import Listen, is_loopback, parse_listen, parse_orchestrator
from ..base.signals import Stop, raise_at_signal
from ..supervisor import LISTENER
from .agent_config import (
    ALLOWED_HEADERS,
    PEER_TOOLS,
    SPAWN_SECONDS,
    SPAWN_TOOLS,
    AgentConfig,
    Server,
)
from .bridge_turns import BridgeTurns
from .http import PATH, listening, make_app
from .peers.conversation import KEY_BYTES, Owner, Sealer
from .peers.exchanges import Exchanges
from .peers.server import Caller, make_server, user_headers, user_of
from .peers.tools import PeerTools
from .peers.waits import parse_wait
from .restarts.keeper import Place, Restarts
from .tracing import flushed, is_on

logger = logging.getLogger(__name__)

KEY_FILE = "conversation.key"
"""The key of conversations, beside the peer file, where no other key file is configured."""
KEY_ENTRY = "conversation-key"
"""The entry with that key in the Secret of `hotpeers.dev/credentials`."""
_MAX_SESSIONS = 1024
# What a client waits beyond the wait for an answer, so that it gets the pointer to `get_answer`.
_ANSWER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """Where the bridge serves, and for whom.

    `wait_seconds` is how long a call waits for an answer before it points to `get_answer`.
    `token_file` has the bearer token that callers need, or is None if only this host can call.
    `key_file` has the key that seals conversations; None means the one in the folder of the document
    with `credentials`, or else a new one beside the peer file.
    `agent_ports` are those of the agent in the same pod, whose turns are counted by its connections.
    `config_from` is the folder of a kagent agent's configuration, and `config_to` the folder where the
    agent reads it, with the bridge added, and the server with the spawning tools at `spawn_url`. With
    `restart_dir`, which is shared with the agent, the agent is restarted for a new configuration.
    """

    listen: Listen
    peer_file: Path
    ack_dir: Path
    orchestrator: str
    wait_seconds: float
    token_file: Path | None = None
    key_file: Path | None = None
    agent_ports: frozenset[int] = frozenset()
    config_from: Path | None = None
    config_to: Path | None = None
    spawn_url: str = ""
    restart_dir: Path | None = None
    credentials: Path | None = None

    @classmethod
    def parse(cls, flag: str, **raw: str) -> Self:
        """Check flags and environment. `flag` names the setting of `listen`. Raises `SettingsError`."""
        listen = parse_listen(raw["listen"], flag)
        if listen is None:
            raise SettingsError(f"{flag}: the tools need an address: HOST:PORT, not none")
        token_file = _path(raw.get("token_file", ""))
        if token_file is None and not is_loopback(listen.host):
            raise SettingsError(
                f"{flag}: {listen} can be reached from other hosts, and every caller may ask the peers; "
                "set --token-file (HOTPEERS_TOKEN_FILE) or use 127.0.0.1"
            )
        if not raw["peer_file"]:
            raise SettingsError("--peer-file (HOTPEERS_PEER_FILE) is missing: it lists the peers")
        peer_file = Path(raw["peer_file"])
        return cls(
            listen=listen,
            peer_file=peer_file,
            ack_dir=_path(raw["ack_dir"]) or peer_file.parent / "acks",
            orchestrator=parse_orchestrator(raw["orchestrator"]),
            wait_seconds=parse_wait(raw["wait_seconds"]),
            token_file=token_file,
            key_file=_path(raw["conversation_key_file"]),
            agent_ports=frozenset(map(int, raw.get("agent_ports", "").replace(",", " ").split())),
            config_from=_path(raw.get("config_from", "")),
            config_to=_path(raw.get("config_to", "")),
            spawn_url=raw.get("spawn_url", ""),
            restart_dir=_path(raw.get("restart_dir", "")),
            credentials=_path(raw.get("credentials", "")),
        )


async def run_bridge(settings: BridgeSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises `HotpeersError` if it cannot start."""
    signals = asyncio.create_task(raise_at_signal(), name="signals")
    try:
        async with serve_bridge(settings):
            await signals
    except Stop:
        logger.info("hotpeers ends: asked to")
    finally:
        signals.cancel()


@asynccontextmanager
async def serve_bridge(
    settings: BridgeSettings, listener: socket.socket | None = None
) -> AsyncIterator[int]:
    """Serve the peer tools while the context is open. Yields the port.

    `listener` is a socket that listens already. Raises `ListenError` or `SettingsError`.
    """
    shim = Settings.read(
        {
            **os.environ,
            "HOTPEERS_PEER_FILE": str(settings.peer_file),
            "HOTPEERS_ACK_DIR": str(settings.ack_dir),
            "HOTPEERS_TRACES": str(is_on()),
        }
    )
    live = Live(shim)
    live.usable = wire.usable
    pool = Pool(shim)
    live.on_change.append(pool.follow)
    pool.follow(live.catalog())
    sealer = Sealer([read_key(settings.key_file) if settings.key_file else _found_key(settings)])

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(flushed())
        live.start()
        stack.callback(live.stop)
        stack.push_async_callback(pool.aclose)
        exchanges = await stack.enter_async_context(Exchanges(pool, shim))
        tools = PeerTools(
            live, exchanges, sealer, wait=settings.wait_seconds, max_depth=shim.max_depth
        )

        def find_caller(headers: Mapping[str, str]) -> Caller:
            # Where callers need a token, `Authorization` has that token, and not one of the user.
            passed = user_headers(headers, authorization=settings.token_file is None)
            owner = Owner(settings.orchestrator, user_of(passed), settings.orchestrator)
            return Caller(tools, owner, settings.orchestrator, passed)

        app = make_app(
            make_server(find_caller),
            settings.listen,
            sessions=_MAX_SESSIONS,
            token_file=settings.token_file,
        )
        port = await stack.enter_async_context(listening(app, settings.listen, listener))
        turns = BridgeTurns(
            settings.ack_dir, settings.peer_file, settings.agent_ports, lambda: exchanges.running
        )
        if settings.config_from is not None and settings.config_to is not None:
            follow = _follow_config(settings, shim, live, _servers(settings, port), turns)
            stack.push_async_callback(_cancelled, asyncio.create_task(follow))
        if settings.agent_ports:
            stack.push_async_callback(_cancelled, asyncio.create_task(turns.run()))
        logger.info("peer tools at http://%s:%d%s", settings.listen.host or "*", port, PATH)
        yield port


def _follow_config(
    settings: BridgeSettings,
    shim: Settings,
    live: Live,
    servers: list[Server],
    turns: BridgeTurns,
) -> Coroutine[Any, Any, None]:
    """Fill the folder of the agent, and return what keeps it up to date."""
    assert settings.config_from is not None and settings.config_to is not None, "checked"  # noqa: PT018, S101
    if settings.restart_dir is None or not settings.agent_ports:
        config = AgentConfig(settings.config_from, settings.config_to, servers)
        config.update()
        return config.follow()
    place = Place(
        settings.config_from,
        settings.config_to,
        settings.restart_dir,
        settings.peer_file.parent,
        shim.pod_info,
        shim.skills_config,
    )
    restarts = Restarts(place, servers, settings.agent_ports)
    live.config = restarts.ack
    restarts.prepare()
    return restarts.run(turns.turns)


def inherited_listener() -> socket.socket | None:
    """The socket that the supervisor has bound, or None without a supervisor."""
    number = os.environ.get(LISTENER, "")
    return socket.socket(fileno=int(number)) if number.isascii() and number.isdigit() else None


def _servers(settings: BridgeSettings, port: int) -> list[Server]:
    url = f"http://{settings.listen.host}:{port}{PATH}"
    wait = settings.wait_seconds + _ANSWER_SECONDS
    servers = [Server(url, PEER_TOOLS, wait, ALLOWED_HEADERS)]
    if settings.spawn_url:
        servers.append(Server(settings.spawn_url, SPAWN_TOOLS, SPAWN_SECONDS))
    return servers


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def read_key(
    path: Path, flag: str = "--conversation-key-file (HOTPEERS_CONVERSATION_KEY_FILE)"
) -> bytes:
    """The key in a file: 32 bytes, as they are or in hexadecimal. Raises `SettingsError`."""
    try:
        raw = path.read_bytes()[: 4 * KEY_BYTES]
    except OSError as error:
        raise SettingsError(f"{flag}: {path}: {error.strerror or error}") from error
    if len(raw) == KEY_BYTES:
        return raw
    with suppress(ValueError):
        found = bytes.fromhex(raw.decode("ascii", "replace").strip())
        if len(found) == KEY_BYTES:
            return found
    raise SettingsError(f"{flag}: {path} must have {KEY_BYTES} bytes, or as many in hexadecimal")


def _found_key(settings: BridgeSettings) -> bytes:
    """The key of the Secret with credentials, which all replicas of the agent have; or an own one."""
    if settings.credentials is not None:
        path = settings.credentials.parent / KEY_ENTRY
        try:
            if path.exists():
                return read_key(path, f"the Secret of hotpeers.dev/credentials, entry {KEY_ENTRY}")
        except SettingsError as error:
            logger.warning("%s; until then, conversations end with this pod", error)
    return _own_key(settings)


def _own_key(settings: BridgeSettings) -> bytes:
    """A key that outlives a restart of this process, but not the pod."""
    path = settings.peer_file.parent / KEY_FILE
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        with suppress(SettingsError):
            return read_key(path)
        path.unlink()
        return _own_key(settings)
    except OSError as error:
        logger.warning("%s: %s: conversations end with this process", path, error.strerror)
        return os.urandom(KEY_BYTES)
    key = os.urandom(KEY_BYTES)
    with os.fdopen(handle, "wb") as file:
        file.write(key)
    return key


def _path(text: str) -> Path | None:
    return Path(text) if text else None
