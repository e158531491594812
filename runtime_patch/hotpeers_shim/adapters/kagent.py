"""Calls of peers by an agent on kagent: kagent's own tool makes them with the shim's client.

`KAgentRemoteA2ATool` (kagent-adk 0.10.4, and kagent's main branch of August 2026) passes approval
requests of a sub-agent's tools to the user, and adds the headers for user, lineage and token. The
shim uses it unmodified, one instance per call, and sets the contextId, the client and the headers.
The shim renders the answer for the model itself (`hotpeers_shim.reply`), because kagent's tool
drops data, files and states.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

from .. import live
from ..calls import wire
from ..calls.call import Call
from ..calls.failure import CallFailed
from ..reply import Reply
from .dialogue import Dialogue, not_approved

_TYPES = "kagent.adk.types"
_TOOL = "kagent.adk._remote_a2a_tool"

_header_providers: dict[str, Any] = {}


def is_present() -> bool:
    """Whether the agent runs on a kagent that has a tool for sub-agents (0.8.0 and newer)."""
    return _TYPES in sys.modules and _TOOL in sys.modules


def hook_agent_config(module: ModuleType) -> None:
    """Wrap the function that makes an agent: it has the setting to pass on the user's token.

    This is `AgentConfig.to_agent`, or `create_agent` in kagent-adk 1.0.
    """
    place, name = (
        (module, "create_agent")
        if hasattr(module, "create_agent")
        else (module.AgentConfig, "to_agent")
    )
    original = getattr(place, name)
    signature = inspect.signature(original)

    @functools.wraps(original)
    def make(*args: Any, **kwargs: Any) -> Any:
        agent = original(*args, **kwargs)
        with live.optional("token propagation"):
            arguments = signature.bind(*args, **kwargs).arguments
            _header_providers[agent.name] = (
                module.create_header_provider(allowed_headers=["authorization"])
                if arguments.get("propagate_token")
                else None
            )
        return agent

    setattr(place, name, make)


async def ask(dialogue: Dialogue, request: str) -> Any:
    """Ask through kagent's tool. Returns its result, with the text for the model in `result`."""
    tool_context = dialogue.tool_context
    tool = _tool_class()(dialogue)
    confirmation = tool_context.tool_confirmation
    if confirmation is None:
        result = await tool.first_call(request)
        while (failure := tool.bridge.failure) and dialogue.forget_thread(failure):
            result = await tool.first_call(request)
    elif _is_subagents_question(confirmation.payload):
        result = await tool.resume()
    elif confirmation.confirmed:
        # A callback before the call asked, not the sub-agent: the request has not been sent yet.
        result = await tool.first_call(request)
    else:
        return {"result": not_approved(dialogue.peer)}
    if tool.bridge.failure is not None:
        return {"result": await dialogue.explain(tool.bridge.failure)}
    if tool.asks_for_approval:
        # kagent itself resumes the task with the user's decision.
        dialogue.note_answered(tool.bridge.reply)
        return result
    text = await dialogue.answer(tool.bridge.reply)
    rest = result if isinstance(result, dict) else {}
    return {**rest, "result": text, "subagent_session_id": tool.bridge.reply.context_id}


def _is_subagents_question(payload: Any) -> bool:
    return isinstance(payload, dict) and bool(payload.get("task_id"))


class Bridge:
    """Replaces the a2a client in kagent's tool. It sends one message and yields one final event."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.task_id = ""
        self.failure: CallFailed | None = None
        self.reply = Reply()

    async def send_message(self, *, request: Any, context: Any) -> AsyncIterator[Any]:
        """Like `a2a.client.Client.send_message` of a2a-sdk 0.3 and of 1.x."""
        message = wire.message_of(request)
        if self.task_id and not message.task_id:
            message.task_id = self.task_id
        # The context has the values of the headers for user, lineage and token.
        self._call.context = context if self._call.peer.userHeaders else None
        self.failure = None
        try:
            self.reply = await self._call.send(message)
        except CallFailed as failure:
            self.failure = failure
            return  # kagent's tool then returns "no result", which `ask` replaces
        if self.reply.task_id:
            yield wire.event_of(self._call.transcript)


@functools.cache
def _tool_class() -> Any:
    base = sys.modules[_TOOL].KAgentRemoteA2ATool  # type: ignore[attr-defined]
    takes_headers = "header_provider" in inspect.signature(base.__init__).parameters

    class PeerRemoteA2ATool(base):  # type: ignore[misc, valid-type]
        """kagent's tool for one call of one peer."""

        def __init__(self, dialogue: Dialogue) -> None:
            peer = dialogue.peer
            provider = _header_providers.get(dialogue.tool_context.agent_name)
            super().__init__(
                name=peer.toolName,
                description=peer.description,
                agent_card_url="".join(wire.card_url(peer)),
                # Since kagent-adk 0.9.4.
                **({"header_provider": provider} if takes_headers else {}),
            )
            self._dialogue = dialogue
            self.bridge = Bridge(dialogue.call())
            self.asks_for_approval = False
            self._a2a_client = self.bridge

        async def first_call(self, request: str) -> Any:
            thread = self._dialogue.thread
            self.bridge.task_id = thread.task_id
            # Without an id, use None and not a new id: some peers refuse a context id that they did
            # not choose.
            self._last_context_id = thread.context_id or None
            return await self._handle_first_call({"request": request}, self._dialogue.tool_context)

        async def resume(self) -> Any:
            return await self._handle_resume(self._dialogue.tool_context)

        def _handle_input_required(self, task: Any, tool_context: Any, *rest: Any) -> Any:
            self.asks_for_approval = _asks_for_approval(task, self.name)
            if self.asks_for_approval:
                return super()._handle_input_required(task, tool_context, *rest)
            # This is a plain question. kagent's tool would ask the user to approve it, and send
            # "approve" to the peer. Instead, the model answers it or asks the user.
            return {}

    return PeerRemoteA2ATool


def _asks_for_approval(task: Any, name: str) -> bool:
    module = sys.modules[_TOOL]
    extract = getattr(module, "extract_hitl_info_from_task", None)
    if extract is not None:
        return bool(extract(task))
    return module.build_remote_hitl_state(task, name) is not None
