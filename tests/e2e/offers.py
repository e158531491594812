"""The tools that a model is offered, found by asking the agent turn after turn."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable

from e2e.kagent import Agent
from e2e.stage import Stage
from e2e.talk import Conversation

_SECONDS = 60.0
_OWN = {
    "ask_user",
    *("search_agents_agentregistry", "get_agent_spec", "render_agent_manifest"),
    *("k8s_apply_manifest", "wait_for_agent", "run_ephemeral_agent"),
    *("list_spawned_agents", "delete_spawned_agent"),
}
"""What is offered besides agents: the tool that kagent gives every agent, and those for spawning."""


class NotOfferedError(Exception):
    """The model was not offered the expected tools in time."""


def tool_name(agent: Agent) -> str:
    """kagent's tool name of an agent."""
    return f"{agent.namespace}__NS__{agent.name}".replace("-", "_")


def offered(stage: Stage, conversation: Conversation) -> set[str]:
    """The agents that the model is offered in one turn, without other tools."""
    return _ask(stage, conversation)[1]


def wait_for_offer(
    stage: Stage, conversation: Conversation, agents: Iterable[Agent], seconds: float = _SECONDS
) -> float:
    """Talk until the model is offered exactly these agents; the time of that request."""
    wanted = {tool_name(one) for one in agents}
    return _wait(stage, conversation, lambda tools: tools == wanted, f"{wanted}", seconds)


def _wait(
    stage: Stage,
    conversation: Conversation,
    is_wanted: Callable[[set[str]], bool],
    what: str,
    seconds: float,
) -> float:
    deadline = time.monotonic() + seconds
    while True:
        moment, tools = _ask(stage, conversation)
        if is_wanted(tools):
            return moment
        if time.monotonic() > deadline:
            raise NotOfferedError(f"{tools} after {seconds:g} s instead of {what}")


def _ask(stage: Stage, conversation: Conversation) -> tuple[float, set[str]]:
    text = f"Which agents do you have? {uuid.uuid4().hex}"
    stage.model.skip()
    conversation.say(text)
    (request,) = [one for one in stage.model.requests() if one["user"] == text]
    return request["time"], set(request["tools"]) - _OWN
