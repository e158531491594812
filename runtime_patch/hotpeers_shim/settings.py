"""What the environment tells the shim, read once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PEER_FILE = "/var/run/hotpeers/peers.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """The shim's settings.

    `call_timeout` bounds one call of a peer and `idle_timeout` the silence within a streamed one;
    both in seconds. A peer's own `timeout` overrides the first. `spawn_url` is the MCP server of the
    tools for spawning, "" where there is none.
    """

    peer_file: Path
    ack_dir: Path
    call_timeout: float = 600.0
    idle_timeout: float = 300.0
    spawn_url: str = ""

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read `HOTPEERS_PEER_FILE`, `_ACK_DIR`, `_CALL_TIMEOUT`, `_IDLE_TIMEOUT` and `_SPAWN_URL`.

        A timeout that is no positive number is ignored: the default is safer than no agent.
        """
        peer_file = Path(environ.get("HOTPEERS_PEER_FILE") or DEFAULT_PEER_FILE)
        ack_dir = environ.get("HOTPEERS_ACK_DIR")
        return cls(
            peer_file=peer_file,
            ack_dir=Path(ack_dir) if ack_dir else peer_file.parent / "acks",
            call_timeout=_seconds(environ.get("HOTPEERS_CALL_TIMEOUT"), 600.0),
            idle_timeout=_seconds(environ.get("HOTPEERS_IDLE_TIMEOUT"), 300.0),
            spawn_url=environ.get("HOTPEERS_SPAWN_URL", "").strip(),
        )


def _seconds(text: str | None, default: float) -> float:
    try:
        value = float(text or default)
    except ValueError:
        return default
    return value if 0 < value <= 86_400 else default
