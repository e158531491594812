"""A running `raw_peer.py`, and short ways to write scripts for it."""

import json
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from harness import A2A
from loaded import PRODUCT

WAYS = [
    ("JSONRPC", "0.3"),
    ("HTTP+JSON", "0.3"),
    *([("JSONRPC", "1.0"), ("HTTP+JSON", "1.0")] if A2A >= (1, 0) else []),
]
"""Binding and version of each way in which this environment's library can call the raw peer."""

Parts = list[dict[str, Any]]
Steps = list[dict[str, Any]]


class RawPeer:
    """A raw peer of its own, at an address of its own."""

    def __init__(self, *flags: str) -> None:
        command = [str(PRODUCT), str(Path(__file__).with_name("raw_peer.py")), *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"]

    def _ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}{path}", data, timeout=30) as response:
            return json.load(response)

    def script(self, key: str, steps: Steps, **more: Any) -> str:
        """Set the script of the message `key`; returns the key."""
        self._ask(f"/script/{urllib.parse.quote(key, safe='')}", {"do": steps, **more})
        return key

    def scripts(self, scripts: dict[str, dict[str, Any]]) -> None:
        """Set the scripts of many messages."""
        self._ask("/scripts", scripts)

    def config(self, **more: Any) -> None:
        """Set the configuration of the peer; omitted settings are reset to their defaults."""
        self._ask("/config", more)

    def forget(self) -> None:
        """Lose all tasks and contexts."""
        self._ask("/forget", {})

    def reset(self) -> None:
        """Be as at the start: no script, task, context, log or setting."""
        self._ask("/reset", {})

    def log(self, **fields: Any) -> list[dict[str, Any]]:
        """The requests, or those with these values."""
        return [
            entry
            for entry in self._ask("/log")
            if all(entry.get(name) == value for name, value in fields.items())
        ]

    def way(self, binding: str, version: str, **more: Any) -> dict[str, Any]:
        """The interface of a peer file that leads here; streaming unless `more` says otherwise."""
        path = {"JSONRPC": "/", "HTTP+JSON": "/rest"}[binding]
        named = {"binding": binding, "protocolVersion": version, "url": f"{self.url}{path}"}
        return {**named, "streaming": True, **more}

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


def text(*texts: str) -> Parts:
    """Parts of text."""
    return [{"text": one} for one in texts]


def artifact(key: str, parts: Parts, **more: Any) -> dict[str, Any]:
    """A step that sends an artifact."""
    return {"artifact": key, "parts": parts, **more}


def status(state: str, *said: str, **more: Any) -> dict[str, Any]:
    """A step that sends a status."""
    return {"status": state, **({"say": text(*said)} if said else {}), **more}


SUBMITTED: dict[str, Any] = {"task": {}}
WORKING, DONE = status("working"), status("completed")
