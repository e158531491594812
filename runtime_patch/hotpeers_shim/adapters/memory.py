"""Stores in a session's state which peers it has used, and its thread with each of them.

Each peer has one key. A call writes it together with its result. The session store gets it in the
event's state delta and restores it from there, so it outlives the process. Parallel calls never
share a key.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from ..calls.thread import Thread
from ..contract import Peer
from ..fleet.declared import Use

PREFIX = "hotpeers.dev/peer/"
FLEET_KEY = "hotpeers.dev/fleet"
APPROVAL_PREFIX = "hotpeers.dev/approval/"
_CONTEXT = uuid.uuid5(uuid.NAMESPACE_URL, "https://hotpeers.dev/context")


def used_tool_names(context: Any) -> list[str]:
    """Tool names of the peers that the session of `context` has used, the oldest first."""
    state = getattr(context, "state", None)
    if not isinstance(state, Mapping):
        return []
    return [key[len(PREFIX) :] for key in state if isinstance(key, str) and key.startswith(PREFIX)]


def used_peers(context: Any) -> list[Use]:
    """The peers that the session of `context` has used, with the times of their first and last call.

    Only the times tell an order: some stores of sessions sort the keys of the state.
    """
    found = []
    for name in used_tool_names(context):
        value = context.state[PREFIX + name]
        value = value if isinstance(value, dict) else {}
        found.append(Use(name, _seconds(value.get("first")), _seconds(value.get("last"))))
    return found


def note_fleet(context: Any) -> None:
    """Store that the session has used `ask_agent` or `list_agents`."""
    if context.state.get(FLEET_KEY) is not True:
        context.state[FLEET_KEY] = True


def has_used_fleet(context: Any) -> bool:
    """Whether the session has used `ask_agent` or `list_agents`: its history may name them."""
    state = getattr(context, "state", None)
    return isinstance(state, Mapping) and state.get(FLEET_KEY) is True


def recall(context: Any, peer: Peer) -> Thread:
    """The session's thread with `peer`.

    It is a new thread if the session has none, or only one with an earlier peer of the same name.
    """
    value = context.state.get(PREFIX + peer.toolName)
    if not isinstance(value, dict) or value.get("uid") != peer.uid:
        return Thread()
    context_id = value.get("contextId")
    if context_id is None:
        # hotpeers 0.1 of November 2026 derived the id and did not store it. Continue that thread.
        context_id = _derived_context_id(context, peer)
    return Thread(str(context_id), str(value.get("taskId") or ""))


def remember(context: Any, peer: Peer, thread: Thread) -> None:
    """Store that the session uses `peer` now, and the current state of their thread."""
    # Write empty fields too: `SqliteSessionService` of google-adk 1.x merges a new value into the
    # old one (`json_patch`), so a field that is left out would come back after a restart.
    before = context.state.get(PREFIX + peer.toolName)
    now = round(time.time(), 3)
    first = _seconds(before.get("first")) if isinstance(before, dict) else 0.0
    context.state[PREFIX + peer.toolName] = {
        "uid": peer.uid,
        "contextId": thread.context_id,
        "taskId": thread.task_id,
        "first": first or now,
        "last": now,
    }


def _seconds(value: Any) -> float:
    """A time of the state. A value of an earlier version has none: such a peer counts as oldest."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else 0.0


def user_of(context: Any) -> str:
    """The user of the session: on kagent, the X-User-Id of the request."""
    return str(context.session.user_id)


def thread_key(context: Any, peer: Peer) -> tuple[str, ...]:
    """A key that identifies a thread among all threads of this process."""
    session = context.session
    parts = (session.app_name, session.user_id, session.id, peer.namespace, peer.name, peer.uid)
    return tuple(map(str, parts))


def _derived_context_id(context: Any, peer: Peer) -> str:
    return str(uuid.uuid5(_CONTEXT, "\0".join(thread_key(context, peer))))
