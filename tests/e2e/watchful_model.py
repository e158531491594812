"""A model that records each request: the model's name, the instruction and the tools.

It answers “Take 20 s” after 20 seconds, and all else at once.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from hotpeers_demo.script import last_user_text, offered_names
from kit.node import addresses

_PORT = 8088
_TAKE = re.compile(r"Take ([0-9]+(?:\.[0-9]+)?) s")
_MARK = re.compile(r"You are number ([0-9]+)\.")
_HEAD = {"id": "chatcmpl-1", "created": 0, "model": "watchful"}
_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
_INSTRUCTING = ("system", "developer")


@dataclass(frozen=True)
class Seen:
    """One request: when it came, in seconds since 1970, and what it says of the agent."""

    time: float
    model: str
    number: int
    tools: frozenset[str]


@dataclass
class WatchfulModel:
    """What was asked, in order."""

    url: str
    seen: list[Seen] = field(default_factory=list)

    def note(self, asked: dict[str, Any]) -> float:
        """Note a request; for how long it is to take."""
        told = [one for one in asked["messages"] if one.get("role") in _INSTRUCTING]
        found = _MARK.search(json.dumps(told))
        tools = frozenset(offered_names(asked.get("tools") or []))
        number = int(found[1]) if found else -1
        self.seen.append(Seen(time.time(), str(asked.get("model")), number, tools))
        wish = _TAKE.search(last_user_text(asked["messages"]))
        return float(wish[1]) if wish else 0.0


@contextmanager
def watchful_model() -> Iterator[WatchfulModel]:
    """Serve it on this machine."""
    model = WatchfulModel(f"http://{addresses.HOST}:{_PORT}/v1")
    handler = type("Handler", (_Handler,), {"model": model})
    server = ThreadingHTTPServer((addresses.HOST, _PORT), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _whole(words: str) -> tuple[str, bytes]:
    message = {"role": "assistant", "content": words}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    answer = {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return "application/json", json.dumps(answer).encode()


def _stream(words: str) -> tuple[str, bytes]:
    delta = {"role": "assistant", "content": words}
    choice = {"index": 0, "delta": delta, "finish_reason": "stop"}
    chunk = {**_HEAD, "object": "chat.completion.chunk", "choices": [choice], "usage": _USAGE}
    return "text/event-stream", f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()


class _Handler(BaseHTTPRequestHandler):
    model: ClassVar[WatchfulModel]

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seconds = self.model.note(asked)
        # The delay is the behaviour that the turn requests, not a wait for a condition.
        time.sleep(seconds)
        words = f"It took {seconds:g} s."
        kind, body = _stream(words) if asked.get("stream") else _whole(words)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # who asked has been stopped
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: a turn that was cut says so itself."""
