"""Agent cards as peers serve them, of both generations of A2A."""

from __future__ import annotations

from typing import Any

SKILL = {"id": "forecast", "name": "Forecast", "description": "Tomorrow", "tags": ["sky"]}
# Without an address.
CARD: dict[str, Any] = {
    "name": "Weather",
    "description": "Tells the weather",
    "version": "1",
    "capabilities": {"streaming": True},
    "defaultInputModes": ["text"],
    "defaultOutputModes": ["text"],
    "skills": [SKILL],
}


def old_card(url: str, **fields: Any) -> dict[str, Any]:
    """A card of A2A 0.3, whose JSON-RPC is at this URL."""
    address = {"url": url, "protocolVersion": "0.3.0", "preferredTransport": "JSONRPC"}
    return CARD | address | fields


def new_card(url: str, **fields: Any) -> dict[str, Any]:
    """A card of A2A 1.0, whose JSON-RPC is at this URL."""
    interface = {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    return CARD | {"supportedInterfaces": [interface]} | fields
