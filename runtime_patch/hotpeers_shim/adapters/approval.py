"""Binds a human's approval of a call to the definition that the peer had when it was asked for.

A tool, a callback or a plugin asks for confirmation with `ToolContext.request_confirmation`. A hook
there stores the peer's fingerprint in the session's state. If the fingerprint has changed when the
call is resumed, the peer is not called: an approval for one address must not be used for another.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from .. import live
from ..contract import Peer
from ..fleet.arguments import read_ask
from ..fleet.declared import ASK_AGENT
from ..fleet.names import NameFault
from .memory import APPROVAL_PREFIX, recall, remember


def hook_request_confirmation() -> None:
    """Wrap `ToolContext.request_confirmation` (google-adk 1.39 and 2.13)."""
    from google.adk.tools.tool_context import ToolContext  # noqa: PLC0415

    original = ToolContext.request_confirmation

    @functools.wraps(original)
    def request_confirmation(self: Any, *args: Any, **kwargs: Any) -> Any:
        with live.guarded("binding an approval"):
            _bind(self)
        return original(self, *args, **kwargs)

    ToolContext.request_confirmation = request_confirmation


def _bind(context: Any) -> None:
    call_id = context.function_call_id
    peer = _called_peer(context, call_id)
    if peer is not None:
        context.state[APPROVAL_PREFIX + call_id] = peer.fingerprint
        # The resumed call needs the peer's tool, which a fleet that grew meanwhile may not declare.
        remember(context, peer, recall(context, peer))


def _called_peer(context: Any, call_id: str | None) -> Peer | None:
    catalog = live.get().catalog()
    for event in reversed(context.session.events):
        for call in event.get_function_calls():
            if call.id == call_id:
                if call.name != ASK_AGENT:
                    return catalog.peers.get(str(call.name))
                with contextlib.suppress(NameFault):
                    return catalog.index.peer_now(read_ask(call.args or {}).agent)
                return None
    return None


def refusal(context: Any, peer: Peer) -> str | None:
    """Why a call that is resumed after a confirmation is denied; None if it is allowed."""
    if context.tool_confirmation is None:
        return None
    bound = context.state.get(APPROVAL_PREFIX + str(context.function_call_id))
    if bound == peer.fingerprint:
        return None
    return (
        f"Agent {peer.toolName} was not called: its definition is another one than when approval was"
        " asked for, so the approval does not hold. Call it again to ask for a new approval."
    )
