"""The tools of the model: a live peer as a `PeerTool`, a removed peer as a `Tombstone`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Container, Iterable
from typing import Any

from google.adk.tools.base_tool import BaseTool
from google.genai import types

from ..catalog import Catalog
from ..contract import Peer, clean_text, says_in_ascii
from ..fleet.declared import FLEET_TOOLS
from ..live import Live
from . import approval, asking

MAX_DECLARED = 1024
"""The longest declared description, in characters: OpenAI rejects requests with a longer one."""


class PeerTool(BaseTool):  # type: ignore[misc]
    """Calls one peer over A2A. Like kagent's sub-agent tools, it has one string, `request`.

    A call always returns a result for the model. It raises only if the turn is cancelled.
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
        # Return a copy: callbacks may change the declaration in a request, and this one is reused.
        return self._declaration.model_copy()

    async def process_llm_request(self, *, tool_context: Any, llm_request: Any) -> None:
        """Declare the peer, unless the agent has its own tool with this name, which wins."""
        if self.name not in llm_request.tools_dict:
            try:
                llm_request.append_tools([self])
            except Exception as error:  # noqa: BLE001 - the step continues without this peer
                self._live.note_fault(self.name, error)

    async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> Any:
        """Send the request to the peer. Returns its answer or the reason of the failure."""
        try:
            result = await self._ask(request_of(args), tool_context)
        except (Exception, asyncio.CancelledError) as error:
            # google-adk ends the turn if a tool raises.
            if is_cancelled(error):
                raise
            return self._fault(error)
        self._live.clear_fault(self.name)
        return result

    async def _ask(self, request: str, tool_context: Any) -> Any:
        peer: Peer | None = self.peer
        if _is_live(tool_context):
            # A live connection keeps the tools that it had at its start, so look the peer up again.
            peer = self._live.catalog().peers.get(self.name)
        if peer is None:
            return {"result": REMOVED.format(self.name)}
        refusal = approval.refusal(tool_context, peer)
        if refusal is not None:
            return {"result": refusal}
        return await asking.ask(self._live, peer, request, tool_context)

    def _fault(self, error: BaseException) -> dict[str, str]:
        self._live.note_fault(self.name, error)
        why = clean_text(f"{type(error).__name__}: {error}", 300)
        return {
            "result": f"Agent {self.name} could not be asked, because of a fault on this side ({why})."
            " It is not known whether it got the request."
        }


def is_cancelled(error: BaseException) -> bool:
    """Whether `error` means that the turn is cancelled.

    It does not if a library has cancelled its own work.
    """
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _is_live(tool_context: Any) -> bool:
    invocation = getattr(tool_context, "_invocation_context", None)
    return getattr(invocation, "live_request_queue", None) is not None


REMOVED = (
    "Agent {} is no longer available: it was removed. Nothing was sent."
    " Go on without it, or use another agent that is offered now."
)
NOT_OFFERED = (
    "Agent {} is not offered to this agent. Nothing was sent. Go on without it, or leave it to the"
    " agent that was offered it."
)


NO_FLEET = (
    "{} cannot be used now, because no agents are offered to this agent. Nothing was sent. Go on"
    " without it."
)


class Undeclared(BaseTool):  # type: ignore[misc]
    """Makes a tool callable without declaring it. A model may call it because of its history."""

    def __init__(self, tool: BaseTool) -> None:
        super().__init__(name=tool.name, description=tool.description)
        self._tool = tool

    async def process_llm_request(self, *, tool_context: Any, llm_request: Any) -> None:
        """Make the tool callable, unless the agent has its own tool with this name."""
        llm_request.tools_dict.setdefault(self.name, self._tool)

    async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> Any:
        """Call the tool."""
        return await self._tool.run_async(args=args, tool_context=tool_context)


class Tombstone(BaseTool):  # type: ignore[misc]
    """Answers a call of a peer that is not offered. It is callable but never declared.

    A model may call such a peer because of old history. Without this tool, google-adk 1.x, and 2
    until 2.6, fails the whole turn (`flows/llm_flows/functions.py`, `_get_tool`). `says` is a
    format string with one field for the name.
    """

    def __init__(self, name: str, says: str = REMOVED) -> None:
        super().__init__(name=name, description="")
        self._says = says

    async def process_llm_request(self, *, tool_context: Any, llm_request: Any) -> None:
        """Make the name callable without declaring it to the model."""
        llm_request.tools_dict.setdefault(self.name, self)

    async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> Any:
        """Return the text that explains to the model why the agent is not available."""
        return {"result": self._says.format(self.name)}


def tombstones(
    catalog: Catalog, names: Iterable[str], besides: Container[str]
) -> dict[str, Tombstone]:
    """A tombstone for each name in `names` that is not in `besides`, by name."""
    return {name: Tombstone(name, _says(catalog, name)) for name in names if name not in besides}


def _says(catalog: Catalog, name: str) -> str:
    if name in catalog.peers:
        return NOT_OFFERED
    return NO_FLEET if name in FLEET_TOOLS else REMOVED


def describe(peer: Peer) -> str:
    """The description of a peer for the model: its own text, then its skills, shortened to fit.

    The peer's name comes first if the tool's name does not show it.
    """
    text = peer.description
    if not says_in_ascii(peer.name) and peer.name not in text:
        text = f"{peer.name}: {text}" if text else peer.name
    skills = [
        f"{skill.name or skill.id}: {skill.description}" if skill.description else skill.name
        for skill in peer.skills
    ]
    if skills:
        text = f"{text} Skills: {'; '.join(filter(None, skills))}".strip()
    return clean_text(text, MAX_DECLARED)


def request_of(args: dict[str, Any]) -> str:
    """The text to send. If the model ignored the schema, it is the JSON of all its arguments."""
    request = args.get("request")
    if isinstance(request, str):
        return request
    return json.dumps(args, ensure_ascii=False, default=str)
