"""Which failing calls become an Event."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from hotpeers.base.names import NamespacedName
from hotpeers.mcp.hub.events import CallEvents
from hotpeers_shim.contract import CallFailure


class Api:
    """Keeps what is created."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def post(self, path: str, body: Any) -> None:
        assert path == "/api/v1/namespaces/ns/events"
        self.notes.append(body["message"])

    async def patch(self, path: str, body: Any) -> None:
        raise AssertionError


def tenant(**failing: str) -> Any:
    failures = {name: CallFailure(name, reason, "m\x1b[31m") for name, reason in failing.items()}
    orchestrator = SimpleNamespace(key=NamespacedName("ns", "lead"), uid="u")
    return SimpleNamespace(orchestrator=orchestrator, counts=SimpleNamespace(failing=failures))


async def test_each_peer_and_reason_is_told_once_while_it_fails() -> None:
    api = Api()
    events = CallEvents(api, lambda: None)
    task = asyncio.create_task(events.run())
    for now in (
        tenant(a="PeerUnreachable"),
        tenant(a="PeerUnreachable"),
        tenant(a="PeerUnreachable", b="CallTimedOut"),
        tenant(),
        # It fails again within five minutes.
        tenant(a="PeerUnreachable"),
        tenant(a="CallTimedOut"),
    ):
        events.note([now])
        await asyncio.sleep(0.15)
    task.cancel()
    assert api.notes == [
        "a (PeerUnreachable): m",
        "b (CallTimedOut): m",
        "a (CallTimedOut): m",
    ]
