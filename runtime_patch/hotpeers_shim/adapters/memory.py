"""What a session remembers of the peers that it used, in the session's own state.

One key a peer, written with the result of a call: it reaches the session store in the event's state
delta, is replayed from there, and so outlives the process. Parallel calls never share a key.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ..contract import Peer

PREFIX = "hotpeers.dev/peer/"
APPROVAL_PREFIX = "hotpeers.dev/approval/"
_CONTEXT = uuid.uuid5(uuid.NAMESPACE_URL, "https://hotpeers.dev/context")


def used_tool_names(context: Any) -> list[str]:
    """Tool names of the peers that the session of `context` has used, the oldest first."""
    state = getattr(context, "state", None)
    if not isinstance(state, Mapping):
        return []
    return [key[len(PREFIX) :] for key in state if isinstance(key, str) and key.startswith(PREFIX)]


def recall(context: Any, peer: Peer) -> dict[str, Any]:
    """What the session remembers of `peer`; empty where nothing, or of another of the same name."""
    value = context.state.get(PREFIX + peer.toolName)
    if isinstance(value, dict) and value.get("uid") == peer.uid:
        return value
    return {}


def remember(context: Any, peer: Peer, *, task_id: str = "") -> None:
    """Write that the session has used `peer`, and which of its tasks waits for an answer."""
    value = {"uid": peer.uid, **({"taskId": task_id} if task_id else {})}
    if context.state.get(PREFIX + peer.toolName) != value:
        context.state[PREFIX + peer.toolName] = value


def context_id(context: Any, peer: Peer) -> str:
    """The A2A contextId of this session with this peer: always the same one, kept nowhere.

    kagent 0.10 makes a new contextId for each request, so its sub-agents forget (`_remote_a2a_tool.py`).
    """
    session = context.session
    parts = (session.app_name, session.user_id, session.id, peer.namespace, peer.name, peer.uid)
    return str(uuid.uuid5(_CONTEXT, "\0".join(map(str, parts))))
