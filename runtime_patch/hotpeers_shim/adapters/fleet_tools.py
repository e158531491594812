"""The tools that reach each peer of a large fleet: `ask_agent` and `list_agents`."""

from __future__ import annotations

import asyncio
from typing import Any

from google.adk.tools.base_tool import BaseTool
from google.genai import types

from ..contract import Peer, clean_text
from ..fleet import arguments, description
from ..fleet.declared import ASK_AGENT, LIST_AGENTS
from ..fleet.names import NameFault, shown_name
from . import memory
from .catalog_tools import NewestTools
from .tool import is_cancelled


class FleetTool(BaseTool):  # type: ignore[misc]
    """One of the two tools. A call always returns a result, unless the turn is cancelled.

    The declaration is always the same, whatever the peers are: models cache it.
    """

    def __init__(
        self, newest: NewestTools, name: str, text: str, *required: str, **more: Any
    ) -> None:
        super().__init__(name=name, description=text)
        self._newest = newest
        self._schema = types.Schema(
            type=types.Type.OBJECT,
            properties={key: types.Schema(**schema) for key, schema in more.items()},
            required=list(required) or None,
        )

    def _get_declaration(self) -> Any:
        # A new one each time: callbacks may change the declaration in a request.
        return types.FunctionDeclaration(
            name=self.name,
            description=self.description,
            parameters=self._schema.model_copy(deep=True),
        )

    async def process_llm_request(self, *, tool_context: Any, llm_request: Any) -> None:
        """Declare the tool, unless the agent has its own tool with this name, which wins."""
        if self.name not in llm_request.tools_dict:
            try:
                llm_request.append_tools([self])
            except Exception as error:  # noqa: BLE001 - the step continues without this tool
                self._newest.live.note_fault(self.name, error)

    async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> Any:
        """Answer the call. A fault becomes a result for the model: google-adk ends the turn if a
        tool raises.
        """
        live = self._newest.live
        try:
            memory.note_fleet(tool_context)
            await live.refresh()
            result = await self._answer(args, tool_context)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            live.note_fault(self.name, error)
            why = clean_text(f"{type(error).__name__}: {error}", 300)
            return {"result": f"{self.name} failed, because of a fault on this side ({why})."}
        live.clear_fault(self.name)
        return result

    async def _answer(self, args: dict[str, Any], tool_context: Any) -> Any:
        raise NotImplementedError


class AskAgent(FleetTool):
    """Asks any live peer, found by its name. It calls the peer as the peer's own tool would."""

    def __init__(self, newest: NewestTools) -> None:
        super().__init__(
            newest,
            ASK_AGENT,
            description.ASK_ANY,
            "agent",
            "message",
            agent=_text("The name of the agent, as list_agents shows it."),
            message=_text("What to say to the agent, with all that it needs."),
        )

    async def _answer(self, args: dict[str, Any], tool_context: Any) -> Any:
        asked = arguments.read_ask(args)
        if asked.problem:
            return {"result": asked.problem}
        catalog = self._newest.live.catalog()
        try:
            peer = await catalog.index.peer(asked.agent, catalog.gone)
        except NameFault as fault:
            return {"result": f"{fault.problem}: {fault.message}. {fault.advice}"}
        tools = self._newest.of(catalog)
        if tools.must_call_directly(peer, tool_context.agent_name):
            return {
                "result": f"Agent {shown_name(peer)} has its own tool, {peer.toolName}. Nothing was"
                " sent. Call that tool with your message as `request`."
            }
        tool = tools.tool(peer)
        return await tool.run_async(args={"request": asked.message}, tool_context=tool_context)


class ListAgents(FleetTool):
    """Finds peers by name, namespace, tag or words."""

    def __init__(self, newest: NewestTools) -> None:
        limit = f"How many to list at most, up to {arguments.MAX_LISTED}."
        super().__init__(
            newest,
            LIST_AGENTS,
            description.LIST_ANY,
            query=_text(description.QUERY),
            limit={
                "type": types.Type.INTEGER,
                "description": f"{limit} {arguments.DEFAULT_LISTED} if left out.",
            },
        )

    async def _answer(self, args: dict[str, Any], tool_context: Any) -> Any:
        query, limit = arguments.read_list(args)
        catalog = self._newest.live.catalog()
        tools = self._newest.of(catalog)

        def own_tool(peer: Peer) -> str:
            direct = tools.must_call_directly(peer, tool_context.agent_name)
            return peer.toolName if direct else ""

        found = await catalog.index.search(query, limit)
        limit = self._newest.live.settings.max_reply_characters
        return {"result": description.listed_text(found, len(catalog.peers), own_tool, limit)}


def _text(said: str) -> dict[str, Any]:
    return {"type": types.Type.STRING, "description": said}
