"""Finds the differences of two configurations, and those that need a restart. Pure.

kagent-adk (0.7 to 0.10) makes an agent for each request from its AgentConfig. It reads some fields
only once, at its start: `stream`, `memory` and `session_db_url` (`cli.py`, `_a2a.py`), and whether
the model uses the caller's key (`cli.py` then adds a plugin). An unknown field counts as such.
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
"""The name for a rotated Secret, among the changes that need a restart.

The agent gets Secrets as environment variables.
"""


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the fields that differ, sorted."""
    names = before.keys() | after.keys()
    return tuple(sorted(name for name in names if before.get(name) != after.get(name)))


def restarts(start: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """The changed fields of AgentConfig that kagent-adk reads only at its start.

    `start` and `now` are the fields of two validated AgentConfigs as plain values: the one with
    which the process started, and the wanted one.
    """
    return differing(_once(start), _once(now))


def changed_files(start: Content, now: Content) -> tuple[str, ...]:
    """The changed files beside config.json, which are read only at the start."""
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
    # kagent-adk treats a missing value of these as false.
    once["stream"] = bool(facts.get("stream"))
    once["model.api_key_passthrough"] = bool(passthrough)
    return once
