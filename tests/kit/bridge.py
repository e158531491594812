"""A bridge in this process, with a peer file of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hotpeers.mcp.bridge import BridgeSettings, serve_bridge

FLAG = "--listen"


class Bridge:
    """A running bridge, its peer file and its acks."""

    def __init__(self, folder: Path, **changed: str) -> None:
        self.file = folder / "peers.json"
        self.acks = folder / "acks"
        raw = {
            "listen": "127.0.0.1:0",
            "peer_file": str(self.file),
            "ack_dir": "",
            "orchestrator": "team/lead",
            "wait_seconds": "10",
            "conversation_key_file": "",
            "token_file": "",
        }
        self.settings = BridgeSettings.parse(FLAG, **{**raw, **changed})
        self.url = ""

    def offer(self, *peers: dict[str, Any]) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps({"peers": peers}))
        new.replace(self.file)

    def ack(self) -> dict[str, Any]:
        return json.loads(next(self.acks.glob("ack-*.json")).read_bytes())


@asynccontextmanager
async def bridge(folder: Path, *peers: dict[str, Any], **changed: str) -> AsyncIterator[Bridge]:
    folder.mkdir(exist_ok=True)
    made = Bridge(folder, **changed)
    made.offer(*peers)
    async with serve_bridge(made.settings) as port:
        made.url = f"http://127.0.0.1:{port}/mcp"
        yield made
