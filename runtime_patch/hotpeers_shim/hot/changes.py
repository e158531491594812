"""Decides what differs between two configurations, and which of it needs a restart. Pure.

kagent-adk (0.7 to 0.10) makes an agent for each request from its AgentConfig. Some fields it reads
once, when it starts: `stream`, `memory` and `session_db_url` (`cli.py`, `_a2a.py`), and whether the
model takes the caller's key (`cli.py` adds a plugin then). A field that is not known here is taken for
one of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .content import Content

PER_REQUEST = frozenset(
    {
        "model",
        "description",
        "instruction",
        "http_tools",
        "sse_tools",
        "remote_agents",
        "execute_code",
        "network",
        "context_config",
        "share_tools",
    }
)
"""The fields of AgentConfig that kagent-adk reads for each request."""

SECRETS = "secrets"
"""Names, among what needs a restart, a Secret that was rotated: it reaches the agent as environment."""


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the fields that differ, sorted."""
    names = before.keys() | after.keys()
    return tuple(sorted(name for name in names if before.get(name) != after.get(name)))


def restarts(start: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """What kagent-adk read at its start, and is another now: names of fields of AgentConfig.

    Both are fields of a validated AgentConfig as plain values: as the process started, and as wanted.
    """
    return differing(_once(start), _once(now))


def changed_files(start: Content, now: Content) -> tuple[str, ...]:
    """The files beside config.json that are read at the start, and are others now."""
    pairs = (
        ("agent-card.json", start.card, now.card),
        ("srt-settings.json", start.srt, now.srt),
        ("skills", start.skills, now.skills),
    )
    return tuple(name for name, before, after in pairs if before != after)


def _once(facts: Mapping[str, Any]) -> dict[str, Any]:
    model = facts.get("model")
    passthrough = model.get("api_key_passthrough") if isinstance(model, Mapping) else None
    once = {name: value for name, value in facts.items() if name not in PER_REQUEST}
    # kagent-adk takes an absent value of these for false.
    once["stream"] = bool(facts.get("stream"))
    once["model.api_key_passthrough"] = bool(passthrough)
    return once
