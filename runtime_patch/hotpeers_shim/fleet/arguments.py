"""Reads the arguments of `ask_agent` and `list_agents`, as models really send them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_LISTED = 20
MAX_LISTED = 100
"""The largest number of peers in one list."""
MAX_QUERY = 1000
"""The longest query, in characters; the rest is ignored."""

_AGENT = ("agent", "agent_name", "name")
_MESSAGE = ("message", "request", "prompt", "query", "text", "input")
_QUERY = ("query", "q", "search", "text")
# `hotpeers mcp` has such an argument; here the session itself remembers the conversation.
_IGNORED = ("conversation",)


@dataclass(frozen=True, slots=True)
class Ask:
    """A message to one agent, by a name of it. Either is "" if it is missing."""

    agent: str
    message: str

    @property
    def problem(self) -> str:
        """What is wrong with the arguments, as text for the model; "" if nothing is."""
        missing = [name for name in ("agent", "message") if not getattr(self, name)]
        if not missing:
            return ""
        names = " and ".join(f"`{name}`" for name in missing)
        return (
            f"ArgumentsInvalid: {names} must be text that is not empty. Nothing was sent. Call"
            " ask_agent with the name of the agent and the message."
        )


def read_ask(arguments: Mapping[str, Any]) -> Ask:
    """The arguments of `ask_agent`.

    Common other names are accepted. Arguments without a message are the message, as JSON.
    """
    agent_key = next((key for key in _AGENT if _text(arguments.get(key))), "")
    rest = {
        key: value
        for key, value in arguments.items()
        if key not in (*_AGENT[:1], agent_key, *_IGNORED) and value not in (None, "")
    }
    message_key = next((key for key in _MESSAGE if key in rest), "")
    said = rest[message_key] if message_key else rest
    message = said if isinstance(said, str) else _json(said) if said else ""
    return Ask(_text(arguments.get(agent_key)), message if message.strip() else "")


def read_list(arguments: Mapping[str, Any]) -> tuple[str, int]:
    """The query and the limit of `list_agents`. A limit that is no number is the default."""
    query = next((arguments[key] for key in _QUERY if arguments.get(key)), "")
    text = query if isinstance(query, str) else _json(query)
    return text[:MAX_QUERY], _limit(arguments.get("limit"))


def _limit(value: Any) -> int:
    if isinstance(value, bool):
        return DEFAULT_LISTED
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LISTED
    if math.isnan(number) or number == 0:
        return DEFAULT_LISTED
    return int(min(max(number, 1), MAX_LISTED))


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
