"""The shim's settings. The process reads them from the environment once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .contract import DEFAULT_DEPTH, MAX_DEPTH

DEFAULT_PEER_FILE = "/var/run/hotpeers/peers.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """The shim's settings.

    `call_timeout` limits one call of a peer. A peer's own `timeout` overrides it. `idle_timeout`
    limits the silence within a streamed call. Both are in seconds. `spawn_url` is the URL of the
    MCP server with the tools for spawning, or "" if there is no such server.

    `max_reply_bytes` limits one answer or stream of a peer, after decompression. `max_line_bytes`
    limits one line of a stream. `max_reply_values` limits the JSON values in one answer or event:
    each value costs memory, even if it is small. `max_reply_characters` limits the part of a reply
    that the model gets. `max_file_bytes` limits an inline file that is saved as an artifact of the
    session. The defaults fit an agent with 512 MiB of memory.

    `max_tools` limits the tools that the peers add to an agent. With more peers than that, only some
    are tools of their own: first those that a pattern of `pinned_peers` matches.

    `max_depth` is the largest number of orchestrators in a chain of calls (see `lineage`).

    `hot_config` is the folder of the agent's own configuration, or None if the shim does not follow
    it. `pod_info` is the folder of the pod's annotations. `skills_config` is the configuration of
    the container that fetches skills. The last two serve to verify which configuration runs.

    `audit` is whether each call is a line in the audit log. `traces` is whether each call is a span of
    OpenTelemetry and its trace context is sent to the peer.

    `peers_url` is the URL of a hub's peer list, or "" if another process writes the peer file. The
    token for it is in `peers_token_file`, or else it is `peers_token`. `peers_ca_file` replaces the
    system's CAs. `peers_wait` is how long the hub may hold a request, in seconds.
    """

    peer_file: Path
    ack_dir: Path
    call_timeout: float = 600.0
    idle_timeout: float = 300.0
    spawn_url: str = ""
    max_reply_bytes: int = 8 * 1024 * 1024
    max_line_bytes: int = 4 * 1024 * 1024
    max_reply_values: int = 50_000
    max_reply_characters: int = 100_000
    max_file_bytes: int = 1024 * 1024
    max_tools: int = 64
    pinned_peers: tuple[str, ...] = ()
    max_depth: int = DEFAULT_DEPTH
    hot_config: Path | None = None
    pod_info: Path | None = None
    skills_config: Path | None = None
    audit: bool = False
    traces: bool = False
    peers_url: str = ""
    peers_token: str = field(default="", repr=False)
    peers_token_file: Path | None = None
    peers_ca_file: Path | None = None
    peers_wait: float = 25.0

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read `HOTPEERS_PEER_FILE`, `_ACK_DIR`, `_CALL_TIMEOUT`, `_IDLE_TIMEOUT`, `_SPAWN_URL`,
        `_MAX_REPLY_BYTES`, `_MAX_LINE_BYTES`, `_MAX_REPLY_VALUES`, `_MAX_REPLY_CHARACTERS`,
        `_MAX_FILE_BYTES`, `_MAX_TOOLS`, `_PINNED_PEERS`, `_MAX_DEPTH`, `_HOT_CONFIG`, `_POD_INFO`,
        `_SKILLS_CONFIG`, `_AUDIT`, `_TRACES`, `_PEERS_URL`, `_PEERS_TOKEN`, `_PEERS_TOKEN_FILE`,
        `_PEERS_CA_FILE` and `_PEERS_WAIT`.

        A value that is not a positive number, or is too large, is ignored: an agent with the
        default is better than no agent.
        """
        peer_file = Path(environ.get("HOTPEERS_PEER_FILE") or DEFAULT_PEER_FILE)
        ack_dir = environ.get("HOTPEERS_ACK_DIR")
        return cls(
            peer_file=peer_file,
            ack_dir=Path(ack_dir) if ack_dir else peer_file.parent / "acks",
            call_timeout=_seconds(environ.get("HOTPEERS_CALL_TIMEOUT"), 600.0),
            idle_timeout=_seconds(environ.get("HOTPEERS_IDLE_TIMEOUT"), 300.0),
            spawn_url=environ.get("HOTPEERS_SPAWN_URL", "").strip(),
            max_reply_bytes=_count(environ.get("HOTPEERS_MAX_REPLY_BYTES"), 8 * 1024 * 1024),
            max_line_bytes=_count(environ.get("HOTPEERS_MAX_LINE_BYTES"), 4 * 1024 * 1024),
            max_reply_values=_count(environ.get("HOTPEERS_MAX_REPLY_VALUES"), 50_000),
            max_reply_characters=_count(environ.get("HOTPEERS_MAX_REPLY_CHARACTERS"), 100_000),
            max_file_bytes=_count(environ.get("HOTPEERS_MAX_FILE_BYTES"), 1024 * 1024),
            max_tools=_count(environ.get("HOTPEERS_MAX_TOOLS"), 64),
            pinned_peers=tuple(environ.get("HOTPEERS_PINNED_PEERS", "").replace(",", " ").split()),
            max_depth=_count(environ.get("HOTPEERS_MAX_DEPTH"), DEFAULT_DEPTH, most=MAX_DEPTH),
            hot_config=_path(environ.get("HOTPEERS_HOT_CONFIG")),
            pod_info=_path(environ.get("HOTPEERS_POD_INFO")),
            skills_config=_path(environ.get("HOTPEERS_SKILLS_CONFIG")),
            audit=_switch(environ.get("HOTPEERS_AUDIT")),
            traces=_switch(environ.get("HOTPEERS_TRACES")),
            peers_url=environ.get("HOTPEERS_PEERS_URL", "").strip(),
            peers_token=environ.get("HOTPEERS_PEERS_TOKEN", ""),
            peers_token_file=_path(environ.get("HOTPEERS_PEERS_TOKEN_FILE")),
            peers_ca_file=_path(environ.get("HOTPEERS_PEERS_CA_FILE")),
            peers_wait=min(_seconds(environ.get("HOTPEERS_PEERS_WAIT"), 25.0), 60.0),
        )


def _switch(text: str | None) -> bool:
    return (text or "").strip().lower() == "true"


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _seconds(text: str | None, default: float) -> float:
    try:
        value = float(text or default)
    except ValueError:
        return default
    return value if 0 < value <= 86_400 else default


def _count(text: str | None, default: int, most: int = 2**31) -> int:
    try:
        value = int(text or default)
    except ValueError:
        return default
    return value if 0 < value <= most else default
