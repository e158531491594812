"""An agent's process that follows a peer list over HTTP, without an agent framework."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hotpeers_shim.contract import PeerFile, load_peer_file
from kit.waiting import until

AGENT = "from hotpeers_shim import live; live.start(); import sys; sys.stdin.read()"
JUMP_SECONDS = 3.0
"""How long to stop a process, so that its clocks jump."""


class Following:
    """The process, with its files and its log in `folder`. `env` may replace any variable."""

    def __init__(self, folder: Path, url: str, code: str = AGENT, **env: str) -> None:
        self.path = folder / "hotpeers" / "peers.json"
        self._log = folder / "log"
        environ = {k: v for k, v in os.environ.items() if not k.startswith("HOTPEERS")}
        environ |= {
            "HOTPEERS_PEER_FILE": str(self.path),
            "HOTPEERS_PEERS_URL": url,
            "HOTPEERS_PEERS_WAIT": "60",
            **env,
        }
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def log(self) -> str:
        return self._log.read_text()

    def names(self) -> list[str] | None:
        """The names in the peer file, which is always whole; None if there is none."""
        try:
            file = load_peer_file(self.path.read_bytes())
        except OSError:
            return None
        assert isinstance(file, PeerFile), file
        return [peer.name for peer in file.peers]

    def ack(self) -> dict[str, Any]:
        """The ack of this process; empty if there is none yet."""
        try:
            found = (self.path.parent / "acks" / f"ack-{self.process.pid}.json").read_text()
        except OSError:
            return {}
        ack: dict[str, Any] = json.loads(found)
        return ack

    def problem(self) -> str:
        """What the ack says of the hub that is not followed; "" if it is."""
        refusals = self.ack().get("refusals", ())
        return "".join(one["message"] for one in refusals if one["reason"] == "HubNotFollowed")

    def is_live(self, *names: str) -> bool:
        """Whether exactly these peers are in the file, in any order, and the process offers them."""
        found = self.names()
        if found is None or sorted(found) != sorted(names):
            return False
        return bool(self.ack().get("digest") == json.loads(self.path.read_bytes())["digest"])

    def stop(self) -> float:
        """Stop it, as a suspend does. Returns the time of the monotonic clock."""
        self.process.send_signal(signal.SIGSTOP)
        return time.monotonic()

    def resume(self, stopped: float) -> None:
        """Let it go on, when its clocks have jumped since `stopped`."""
        until("a jump of the clocks", lambda: time.monotonic() - stopped > JUMP_SECONDS)
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)
