"""Sessions that are lost and ended at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

from hotpeers.mcp.sessions import Sessions

SESSION = "a" * 32


class Application:
    """Knows only the newest session that it has begun, and forgets it when it is asked to."""

    def __init__(self) -> None:
        self.made = Sessions(self, "/mcp", 10)
        self.begun = 0
        self.known = ""
        self.ends_first = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        session = headers.get(b"mcp-session-id", b"").decode()
        status, more = 200, []
        if not session:
            self.begun += 1
            self.known = f"{self.begun:032x}"
            more = [(b"mcp-session-id", self.known.encode())]
        elif session != self.known:
            status = 404
        elif self.ends_first and scope["method"] == "POST":
            self.ends_first, self.known, status = False, "", 404
            await ask(self.made, "DELETE")
        await send({"type": "http.response.start", "status": status, "headers": more})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def ask(made: Sessions, method: str = "POST") -> int:
    """Returns the status."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"mcp-session-id", SESSION.encode())]
    scope = {"type": "http", "path": "/mcp", "method": method, "headers": headers}
    await made(scope, receive, send)
    return int(sent[0]["status"])


async def test_lost_session_is_begun_once_for_many_requests() -> None:
    app = Application()
    found = await asyncio.gather(*(ask(app.made) for _ in range(20)))
    assert set(found) == {200}
    assert app.begun == 1


async def test_session_that_is_ended_during_a_request_is_begun_anew() -> None:
    app = Application()
    assert await ask(app.made) == 200
    app.ends_first = True
    assert await ask(app.made) == 200
    assert app.begun == 2
