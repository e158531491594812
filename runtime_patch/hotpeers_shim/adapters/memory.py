"""What a session remembers of the peers that it used, in the session's own state.

One key a peer, written with the result of a call: it reaches the session store in the event's state
delta, is replayed from there, and so outlives the process. Parallel calls never share a key.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..contract import Peer

PREFIX = "hotpeers.dev/peer/"
APPROVAL_PREFIX = "hotpeers.dev/approval/"
_CONTEXT = uuid.uuid5(uuid.NAMESPACE_URL, "https://hotpeers.dev/context")


@dataclass(frozen=True, slots=True)
class Thread:
    """One session's thread with one peer.

    `context_id` is the A2A context that the peer named ("" before its first answer). `task_id` is
    the task that waits for the caller's next message, "" where none does.
    """

    context_id: str = ""
    task_id: str = ""


def used_tool_names(context: Any) -> list[str]:
    """Tool names of the peers that the session of `context` has used, the oldest first."""
    state = getattr(context, "state", None)
    if not isinstance(state, Mapping):
        return []
    return [key[len(PREFIX) :] for key in state if isinstance(key, str) and key.startswith(PREFIX)]


def recall(context: Any, peer: Peer) -> Thread:
    """The session's thread with `peer`.

    It is a new one where the session has none, or had one with another peer of this name.
    """
    value = context.state.get(PREFIX + peer.toolName)
    if not isinstance(value, dict) or value.get("uid") != peer.uid:
        return Thread()
    context_id = value.get("contextId")
    if context_id is None:
        # hotpeers 0.1 of November 2026 derived the id, and wrote none: that thread goes on.
        context_id = _derived_context_id(context, peer)
    return Thread(str(context_id), str(value.get("taskId") or ""))


def remember(context: Any, peer: Peer, thread: Thread) -> None:
    """Write that the session has used `peer`, and how its thread goes on."""
    # Each field, also an empty one: `SqliteSessionService` of google-adk 1.x merges values into those
    # before (`json_patch`), so that a field that is left out would be there again after a restart.
    value = {"uid": peer.uid, "contextId": thread.context_id, "taskId": thread.task_id}
    if context.state.get(PREFIX + peer.toolName) != value:
        context.state[PREFIX + peer.toolName] = value


def thread_key(context: Any, peer: Peer) -> tuple[str, ...]:
    """What tells the threads of this process apart."""
    session = context.session
    parts = (session.app_name, session.user_id, session.id, peer.namespace, peer.name, peer.uid)
    return tuple(map(str, parts))


def _derived_context_id(context: Any, peer: Peer) -> str:
    return str(uuid.uuid5(_CONTEXT, "\0".join(thread_key(context, peer))))
