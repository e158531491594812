"""What kagent adds: its own sub-agent tool does the asking, over the shim's client.

`KAgentRemoteA2ATool` (kagent-adk 0.10.4, and kagent's main branch of August 2026) brings the
approvals of a sub-agent's tools up to the user, and the headers for user, lineage and token. It is
used unmodified, one instance a call, with three things set: the contextId, the client, the headers.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

from .. import live
from . import memory, wire
from .call import Call, CallFailed, question

_TYPES = "kagent.adk.types"
_TOOL = "kagent.adk._remote_a2a_tool"

_header_providers: dict[str, Any] = {}


def is_present() -> bool:
    """Whether this agent runs on kagent, not merely whether kagent is installed."""
    # kagent-adk 0.7 has no such tool: the plain path is taken there.
    return _TYPES in sys.modules and _TOOL in sys.modules


def hook_agent_config(module: ModuleType) -> None:
    """Wrap what makes an agent, to learn whether the user's token is passed on to sub-agents.

    That is `AgentConfig.to_agent`, and `create_agent` in kagent-adk 1.0.
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


def interceptors() -> list[Any]:
    """The client interceptors that turn kagent's call context into headers (a2a-sdk 0.3 only)."""
    interceptor = getattr(sys.modules.get(_TOOL), "_SubagentInterceptor", None)
    return [interceptor()] if interceptor is not None and is_present() else []


async def ask(call: Call, request: str, tool_context: Any, context_id: str, open_task: str) -> Any:
    """Ask through kagent's tool; the result is kagent's, with what the model must read in `result`."""
    tool = _tool_class()(call, context_id, tool_context.agent_name)
    confirmation = tool_context.tool_confirmation
    if confirmation is None:
        result = await tool.first_call(request, tool_context, open_task)
        if open_task and tool.bridge.failure is not None and tool.bridge.failure.task_gone:
            # The question that waited for this answer is gone: start a new task with it.
            result = await tool.first_call(request, tool_context, "")
    elif _is_subagents_question(confirmation.payload):
        result = await tool.resume(tool_context)
    elif confirmation.confirmed:
        # It was not the sub-agent that asked, but a callback before the call: nothing was sent yet.
        result = await tool.first_call(request, tool_context, "")
    else:
        return {"result": f"The call of agent {call.peer.toolName} was not approved."}
    if tool.bridge.failure is not None:
        return {"result": str(tool.bridge.failure)}
    waiting = tool.open_question.task_id if tool.open_question is not None else ""
    memory.remember(tool_context, call.peer, task_id=waiting)
    if tool.open_question is not None:
        return {
            "result": question(call.peer.toolName, tool.open_question.text),
            "subagent_session_id": context_id,
        }
    return result


def _is_subagents_question(payload: Any) -> bool:
    return isinstance(payload, dict) and bool(payload.get("task_id"))


class Bridge:
    """Stands in for the a2a client within kagent's tool: one message, one aggregated answer."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.task_id = ""
        self.failure: CallFailed | None = None
        self.reply: wire.Reply | None = None

    async def send_message(self, *, request: Any, context: Any) -> AsyncIterator[Any]:
        """As `a2a.client.Client.send_message`, of either generation; raises `CallFailed`."""
        message = wire.message_of(request)
        if self.task_id and not message.task_id:
            message.task_id = self.task_id
        self._call.context = context
        self.failure = None
        try:
            self.reply = await self._call.send(message)
        except CallFailed as failure:
            self.failure = failure
            return  # kagent's tool makes "no result" of it, which `ask` replaces
        yield wire.event_of(self.reply)


@functools.cache
def _tool_class() -> Any:
    base = sys.modules[_TOOL].KAgentRemoteA2ATool  # type: ignore[attr-defined]

    class PeerRemoteA2ATool(base):  # type: ignore[misc, valid-type]
        """kagent's tool for one call of one peer."""

        def __init__(self, call: Call, context_id: str, agent_name: str) -> None:
            super().__init__(
                name=call.peer.toolName,
                description=call.peer.description,
                agent_card_url="".join(wire.card_url(call.peer)),
                # kagent-adk 0.8.0 to 0.9.3 has no `header_provider`, nor a token to pass on.
                **(
                    {"header_provider": _header_providers.get(agent_name)}
                    if "header_provider" in inspect.signature(base.__init__).parameters
                    else {}
                ),
            )
            self.bridge = Bridge(call)
            self.open_question: wire.Reply | None = None
            self._a2a_client = self.bridge
            self._last_context_id = context_id

        async def first_call(self, request: str, tool_context: Any, task_id: str) -> Any:
            self.bridge.task_id = task_id
            return await self._handle_first_call({"request": request}, tool_context)

        async def resume(self, tool_context: Any) -> Any:
            return await self._handle_resume(tool_context)

        def _handle_input_required(self, task: Any, tool_context: Any, *rest: Any) -> Any:
            if _asks_for_approval(task, self.name):
                return super()._handle_input_required(task, tool_context, *rest)
            # A plain question. kagent's tool would ask the user to approve it, and send the peer
            # "approve" for an answer; the model can answer it, or ask the user in its own words.
            self.open_question = self.bridge.reply
            return {"result": ""}

    return PeerRemoteA2ATool


def _asks_for_approval(task: Any, name: str) -> bool:
    module = sys.modules[_TOOL]
    extract = getattr(module, "extract_hitl_info_from_task", None)
    if extract is not None:
        return bool(extract(task))
    return module.build_remote_hitl_state(task, name) is not None
