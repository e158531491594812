"""The tools for spawning, of the MCP server beside the agent, which may be down at any time.

The framework's own `McpToolset` connects and lists. What it does about failures is not left to it:
google-adk 1.39 fails the turn where a call fails, and calls a second time where an answer is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
import weakref
from collections.abc import Coroutine
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from google.adk.tools.base_tool import BaseTool
from google.adk.tools.base_toolset import BaseToolset

from ..contract import clean_text
from ..live import get, guarded
from .tool import is_cancelled

logger = logging.getLogger("hotpeers_shim")

LIST_SECONDS = 2.0
"""Longest time that a step of the model waits for the list of tools."""
FRESH_SECONDS = 10.0
"""How long a list is taken as it is."""
STALE_SECONDS = 60.0
"""How long the last list is offered where the server does not answer."""
RETRY_SECONDS = 1.0
CALL_SECONDS = 1000.0
"""Longest call: the server gives up each of its tools before."""
MAX_RESULT = 256 * 1024
_MAX_TOOLS = 64
_GONE = "The tools for spawning cannot be reached now. Go on without them, or try again later."
_LOST = (
    "The server of the tools for spawning ended before it answered: it is not known whether this was"
    " done. Look with list_spawned_agents before you try again."
)


class SpawnToolset(BaseToolset):  # type: ignore[misc]
    """Those tools, for one agent; never raises and never waits long."""

    name = "hotpeers-spawn"

    def __init__(self, url: str) -> None:
        super().__init__()
        self._use_invocation_cache = False
        self._url = url

    def __deepcopy__(self, memo: dict[int, Any]) -> SpawnToolset:
        """A copied agent has the same server."""
        return self

    async def get_tools(self, readonly_context: Any = None) -> list[BaseTool]:
        """The tools as they were listed last."""
        with guarded("offering the tools for spawning"):
            return list(await hub_of(self._url).tools())
        return []

    async def close(self) -> None:
        """Nothing: kagent closes its runner's toolsets after each request, the session lives on."""


class SpawnTool(BaseTool):  # type: ignore[misc]
    """One of them. A call always comes back with a result; only a cancelled turn raises."""

    def __init__(self, hub: Hub, native: BaseTool) -> None:
        super().__init__(name=native.name, description=native.description)
        self._hub = hub
        self._native = native

    def _get_declaration(self) -> Any:
        return self._native._get_declaration()

    async def process_llm_request(self, *, tool_context: Any, llm_request: Any) -> None:
        """Declare the tool, unless the agent has one of this name: the agent's own wins."""
        if self.name not in llm_request.tools_dict:
            llm_request.append_tools([self])

    async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> Any:
        """Call it; what is wrong is a result for the model."""
        try:
            return {"result": await self._hub.call(self.name, args)}
        except (Exception, asyncio.CancelledError) as error:
            # google-adk ends the turn where a tool raises.
            if is_cancelled(error):
                raise
            get().note_fault(self.name, error)
            return {"result": _LOST}


@dataclass(eq=False)
class Hub:
    """The one connection of an event loop to the server."""

    url: str
    _toolset: Any = None
    _tools: tuple[SpawnTool, ...] = ()
    _listed: float = float("-inf")
    _tried: float = float("-inf")
    _listing: asyncio.Task[None] | None = None
    _complaint: str = ""
    _closing: set[asyncio.Task[Any]] = field(default_factory=set)

    async def tools(self) -> tuple[SpawnTool, ...]:
        """What is offered now: fresh, or the last known for a while."""
        now = time.monotonic()
        if now - self._listed > FRESH_SECONDS:
            await _import()
            if self._listing is None and now - self._tried > RETRY_SECONDS:
                self._tried = now
                # In a task of its own: who waits may be cancelled, and the session must not be.
                self._listing = asyncio.create_task(self._list(), name="hotpeers spawn tools")
            if self._listing is not None:
                await asyncio.wait({self._listing}, timeout=LIST_SECONDS)
        return self._tools if time.monotonic() - self._listed <= STALE_SECONDS else ()

    async def _list(self) -> None:
        try:
            known = self._toolset is not None
            try:
                native = await self._native_tools()
            except Exception:
                if not known:
                    raise
                # The server was started anew, and knows the session no more.
                self._drop()
                native = await self._native_tools()
            self._tools = tuple(SpawnTool(self, one) for one in native[:_MAX_TOOLS])
            self._listed = time.monotonic()
            if self._complaint:
                logger.info("the tools for spawning are there again: %s", self.url)
            self._complaint = ""
        except Exception as error:  # noqa: BLE001 - of the server, or of any library in between
            self._drop()
            self._complain(error)
        finally:
            self._listing = None

    async def _native_tools(self) -> list[Any]:
        if self._toolset is None:
            self._toolset = _make_toolset(self.url)
        return list(await self._toolset.get_tools())

    def _drop(self) -> None:
        toolset, self._toolset = self._toolset, None
        if toolset is not None:
            task = asyncio.create_task(_close(toolset), name="hotpeers close")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _complain(self, error: Exception) -> None:
        text = clean_text(f"{type(error).__name__}: {error}", 300)
        if not self._complaint:
            logger.warning("the tools for spawning cannot be listed: %s: %s", self.url, text)
        self._complaint = text

    async def call(self, name: str, args: dict[str, Any]) -> str:
        """The answer of one tool, or a sentence for the model. Never called a second time."""
        # What the toolset logs and raises is the server's, or a library's.
        try:
            session = await _apart(self._session(), 2 * LIST_SECONDS)
            reader, writer = await self._watch()
        except Exception as error:  # noqa: BLE001 - see above
            self._drop()
            self._complain(error)
            return _GONE
        calling = asyncio.create_task(session.call_tool(name, arguments=args), name=f"call {name}")
        # A connection on which nothing is said ends with the server, in whatever way that ends.
        ending = asyncio.create_task(reader.read(1), name="watch")
        try:
            await asyncio.wait(
                {calling, ending}, timeout=CALL_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if not calling.done():
                await asyncio.wait({calling}, timeout=LIST_SECONDS / 4)
            if not calling.done():
                self._drop()
                return _LOST
            return _text(calling.result())
        except Exception as error:  # noqa: BLE001 - see above
            self._drop()
            self._complain(error)
            return _LOST
        finally:
            calling.cancel()
            ending.cancel()
            writer.close()
            await asyncio.wait({calling, ending}, timeout=LIST_SECONDS / 4)

    async def _session(self) -> Any:
        """A session that the server knows: it may have been started anew since the last listing."""
        for last in (False, True):
            if self._toolset is None:
                self._toolset = _make_toolset(self.url)
            session = await self._toolset._mcp_session_manager.create_session()
            try:
                await session.list_tools()
            except Exception:
                self._drop()
                if last:
                    raise
            else:
                return session
        raise ConnectionError(self.url)

    async def _watch(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.url)
        return await asyncio.wait_for(
            asyncio.open_connection(parts.hostname, parts.port or 80), LIST_SECONDS
        )


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Hub]] = (
    weakref.WeakKeyDictionary()
)


def hub_of(url: str) -> Hub:
    """The connection of the running loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), {}).setdefault(url, Hub(url))


async def _apart(work: Coroutine[Any, Any, Any], seconds: float) -> Any:
    """The result of `work`, done in a task of its own: mcp cancels the task whose connection fails.

    Raises TimeoutError, ConnectionError where it was cancelled, or what `work` raises.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if task.cancelled():
            raise ConnectionError("the connection was given up")
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        task.cancel()


async def _import() -> None:
    """Import what takes a second, while the event loop goes on; what fails, fails again later."""
    if "google.adk.tools.mcp_tool.mcp_toolset" not in sys.modules:
        with contextlib.suppress(Exception):
            await asyncio.to_thread(import_module, "google.adk.tools.mcp_tool.mcp_toolset")


def _make_toolset(url: str) -> Any:
    from google.adk.tools.mcp_tool.mcp_session_manager import (  # noqa: PLC0415 - may be missing
        StreamableHTTPConnectionParams,
    )
    from google.adk.tools.mcp_tool.mcp_toolset import McpToolset  # noqa: PLC0415

    params = StreamableHTTPConnectionParams(
        url=url,
        timeout=LIST_SECONDS,
        sse_read_timeout=CALL_SECONDS,
        httpx_client_factory=_http_client,
    )
    return McpToolset(connection_params=params)


def _http_client(headers: Any = None, timeout: Any = None, auth: Any = None) -> Any:
    """A client that asks no proxy: the server is in this very pod."""
    from mcp.shared import _httpx_utils  # noqa: PLC0415

    # mcp 2 has an httpx of its own.
    known = vars(_httpx_utils)
    library = known.get("httpx2") or known["httpx"]
    given = {"headers": headers, "timeout": timeout, "auth": auth}
    return library.AsyncClient(
        trust_env=False,
        follow_redirects=False,
        **{name: value for name, value in given.items() if value is not None},
    )


async def _close(toolset: Any) -> None:
    with contextlib.suppress(Exception):
        await asyncio.wait_for(toolset.close(), LIST_SECONDS)


def _text(result: Any) -> str:
    """What a tool said, as text: a failure says so itself."""
    said = "\n".join(str(getattr(one, "text", "")) for one in result.content)
    if not said:
        structured = getattr(result, "structuredContent", None)
        said = json.dumps(structured, ensure_ascii=False, default=str)
    return said if len(said) <= MAX_RESULT else said[: MAX_RESULT - 1] + "…"
