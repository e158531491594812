"""A peer as a tool of the model, and a removed peer as a tombstone."""

from __future__ import annotations

import json
from typing import Any

from google.adk.tools.base_tool import BaseTool
from google.genai import types

from ..contract import Peer, clean_text
from ..live import Live
from . import approval, dialogue

MAX_DECLARED = 1024
"""Longest description that is declared, in characters: OpenAI refuses the request over a longer one."""


class PeerTool(BaseTool):  # type: ignore[misc]
    """Asks one peer over A2A. Declared as kagent declares a sub-agent: one string, `request`.

    A call always comes back with a result for the model; only a cancelled turn raises.
    """

    def __init__(self, live: Live, peer: Peer) -> None:
        super().__init__(name=peer.toolName, description=describe(peer))
        self.peer = peer
        self._live = live
        self._declaration: Any = None

    def _get_declaration(self) -> Any:
        if self._declaration is None:
            self._declaration = types.FunctionDeclaration(
                name=self.name,
                description=self.description,
                parameters=types.Schema(
                    type=types.Type.OBJECT,
                    properties={"request": types.Schema(type=types.Type.STRING)},
                    required=["request"],
                ),
            )
        # A copy: callbacks may change the request that they see, and this one is kept.
        return self._declaration.model_copy()

    async def process_llm_request(self, *, tool_context: Any, llm_request: Any) -> None:
        """Declare the peer, unless the agent has a tool of this name: the agent's own wins."""
        if self.name not in llm_request.tools_dict:
            llm_request.append_tools([self])

    async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> Any:
        """Send the request to the peer and give back its answer, or say why there is none."""
        refusal = approval.refusal(tool_context, self.peer)
        if refusal is not None:
            return {"result": refusal}
        return await dialogue.ask(self._live, self.peer, request_of(args), tool_context)


class Tombstone(BaseTool):  # type: ignore[misc]
    """Answers for a peer that was removed: callable, for the sake of old history, never declared.

    Without it google-adk 1.39 fails the whole turn (`flows/llm_flows/functions.py`, `_get_tool`).
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name, description="")

    async def process_llm_request(self, *, tool_context: Any, llm_request: Any) -> None:
        """Make the name callable without offering it."""
        llm_request.tools_dict.setdefault(self.name, self)

    async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> Any:
        """Tell the model that the agent is gone."""
        return {
            "result": f"Agent {self.name} is no longer available: it was removed. Nothing was sent."
            " Go on without it, or use another agent that is offered now."
        }


def describe(peer: Peer) -> str:
    """What the model reads of a peer: its description, then its skills as far as there is room."""
    text = peer.description
    skills = [
        f"{skill.name or skill.id}: {skill.description}" if skill.description else skill.name
        for skill in peer.skills
    ]
    if skills:
        text = f"{text} Skills: {'; '.join(filter(None, skills))}".strip()
    return clean_text(text, MAX_DECLARED)


def request_of(args: dict[str, Any]) -> str:
    """The text to send. A model that ignores the schema still gets its arguments across."""
    request = args.get("request")
    if isinstance(request, str):
        return request
    return json.dumps(args, ensure_ascii=False, default=str)
