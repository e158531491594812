"""A slow model: it answers “Take 20 s” after 20 seconds, and other texts at once."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hotpeers_demo.script import last_user_text
from kit.node import addresses

_PORT = 8087
_TAKE = re.compile(r"Take ([0-9]+(?:\.[0-9]+)?) s")


def wish(seconds: float) -> str:
    """The text of a user that makes a turn of that length."""
    return f"Take {seconds:g} s"


@contextmanager
def slow_model() -> Iterator[str]:
    """Serve it on this machine; its base URL."""
    server = ThreadingHTTPServer((addresses.HOST, _PORT), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{addresses.HOST}:{_PORT}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = _TAKE.search(last_user_text(asked["messages"]))
        # The delay is the behaviour that the test requests, not a wait for a condition.
        time.sleep(float(found[1]) if found else 0.0)
        message = {"role": "assistant", "content": f"It took {found[1] if found else 0} s."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "slow"}
        body = json.dumps({**head, "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # who asked has been stopped
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: a turn that was cut says so itself."""
