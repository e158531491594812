"""An MCP server with two tools, as kagent's agents ask it: streamable HTTP, answers in JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kit.node import addresses

_PORT = 8089
TOOLS = ("define", "rhyme")


@contextmanager
def tool_server() -> Iterator[str]:
    """Serve it on this machine; its URL."""
    server = ThreadingHTTPServer((addresses.HOST, _PORT), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{addresses.HOST}:{_PORT}/mcp"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    if asked["method"] == "initialize":
        version = asked["params"]["protocolVersion"]
        about = {"name": "words", "version": "1"}
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
    if asked["method"] == "tools/list":
        schema = {"type": "object", "properties": {"word": {"type": "string"}}}
        tools = [{"name": one, "description": one, "inputSchema": schema} for one in TOOLS]
        return {"tools": tools}
    if asked["method"] == "tools/call":
        return {"content": [{"type": "text", "text": asked["params"]["name"]}]}
    return {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in asked:
            self._send(202)
            return
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": _answer(asked)}
        self._send(200, json.dumps(answer).encode())

    def do_GET(self) -> None:
        self._send(405)

    def do_DELETE(self) -> None:
        self._send(200)

    def _send(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: agents that go leave their connections."""
