"""The tools for spawning. They come from the MCP server beside the agent, which may be down.

The framework's own `McpToolset` connects and lists the tools. This module handles failures itself:
google-adk 1.39 fails the whole turn if a call fails, and repeats a call whose answer is lost.
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
"""The longest time that a model step waits for the list of tools."""
FRESH_SECONDS = 10.0
"""How long a list of tools is used without a new request for it."""
STALE_SECONDS = 60.0
"""How long the last list is still offered if the server does not answer."""
RETRY_SECONDS = 1.0
CALL_SECONDS = 1000.0
"""The longest call. The server's own timeout of each tool is shorter."""
MAX_RESULT = 256 * 1024
_MAX_TOOLS = 64
_GONE = "The tools for spawning cannot be reached now. Go on without them, or try again later."
_LOST = (
    "The server of the tools for spawning ended before it answered: it is not known whether this was"
    " done. Look with list_spawned_agents before you try again."
)


class SpawnToolset(BaseToolset):  # type: ignore[misc]
    """The tools for spawning of one agent. No method raises or waits long."""

    name = "hotpeers-spawn"

    def __init__(self, url: str) -> None:
        super().__init__()
        self._use_invocation_cache = False
        self._url = url

    def __deepcopy__(self, memo: dict[int, Any]) -> SpawnToolset:
        """Return the same object: a copied agent uses the same server."""
        return self

    async def get_tools(self, readonly_context: Any = None) -> list[BaseTool]:
        """The tools of the last list that is not too old."""
        with guarded("offering the tools for spawning"):
            return list(await hub_of(self._url).tools())
        return []

    async def close(self) -> None:
        """Do nothing: kagent closes toolsets after each request, but the MCP session is kept."""


class SpawnTool(BaseTool):  # type: ignore[misc]
    """One tool for spawning. A call always returns a result, unless the turn is cancelled."""

    def __init__(self, hub: Hub, native: BaseTool) -> None:
        super().__init__(name=native.name, description=native.description)
        self._hub = hub
        self._native = native

    def _get_declaration(self) -> Any:
        return self._native._get_declaration()

    async def process_llm_request(self, *, tool_context: Any, llm_request: Any) -> None:
        """Declare the tool, unless the agent has its own tool with this name, which wins."""
        if self.name not in llm_request.tools_dict:
            llm_request.append_tools([self])

    async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> Any:
        """Call the tool. An error becomes a result for the model."""
        try:
            return {"result": await self._hub.call(self.name, args)}
        except (Exception, asyncio.CancelledError) as error:
            # google-adk ends the turn if a tool raises.
            if is_cancelled(error):
                raise
            get().note_fault(self.name, error)
            return {"result": _LOST}


@dataclass(eq=False)
class Hub:
    """The connection of one event loop to the server."""

    url: str
    _toolset: Any = None
    _tools: tuple[SpawnTool, ...] = ()
    _listed: float = float("-inf")
    _tried: float = float("-inf")
    _listing: asyncio.Task[None] | None = None
    _complaint: str = ""
    _closing: set[asyncio.Task[Any]] = field(default_factory=set)

    async def tools(self) -> tuple[SpawnTool, ...]:
        """The tools to offer now: a fresh list, or else the last one until `STALE_SECONDS`."""
        now = time.monotonic()
        if now - self._listed > FRESH_SECONDS:
            await _import()
            if self._listing is None and now - self._tried > RETRY_SECONDS:
                self._tried = now
                # Use a separate task: the caller may be cancelled, but the session must not be.
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
                # The server may have restarted, so that it does not know the session.
                self._drop()
                native = await self._native_tools()
            self._tools = tuple(SpawnTool(self, one) for one in native[:_MAX_TOOLS])
            self._listed = time.monotonic()
            if self._complaint:
                logger.info("the tools for spawning are there again: %s", self.url)
            self._complaint = ""
        except Exception as error:  # noqa: BLE001 - from the server or any library in between
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
        """The answer of one tool, or a sentence for the model. A call is never repeated."""
        # Exceptions here come from the server or from a library.
        try:
            session = await _apart(self._session(), 2 * LIST_SECONDS)
            reader, writer = await self._watch()
        except Exception as error:  # noqa: BLE001 - see above
            self._drop()
            self._complain(error)
            return _GONE
        calling = asyncio.create_task(session.call_tool(name, arguments=args), name=f"call {name}")
        # The watch connection stays silent. It closes when the server ends, however that happens.
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
        """A session that the server knows. The server may have restarted since the last list."""
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
    """The connection of the running event loop to the server at `url`."""
    return _hubs.setdefault(asyncio.get_running_loop(), {}).setdefault(url, Hub(url))


async def _apart(work: Coroutine[Any, Any, Any], seconds: float) -> Any:
    """Run `work` in a separate task, because mcp cancels the task whose connection fails.

    Raises TimeoutError, ConnectionError if that task was cancelled, or the exception of `work`.
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
    """Import `McpToolset` in a thread: it takes a second, which must not block the event loop.

    An error is ignored here. The same import fails again later, and is reported then.
    """
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
    """A client without a proxy: the server is in the same pod."""
    from mcp.shared import _httpx_utils  # noqa: PLC0415

    # mcp 2 brings its own httpx.
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
    """A tool's result as text. The text of a failure says that it failed."""
    said = "\n".join(str(getattr(one, "text", "")) for one in result.content)
    if not said:
        structured = getattr(result, "structuredContent", None)
        said = json.dumps(structured, ensure_ascii=False, default=str)
    return said if len(said) <= MAX_RESULT else said[: MAX_RESULT - 1] + "…"
