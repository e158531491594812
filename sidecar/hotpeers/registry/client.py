"""Requests to agentregistry with limits, errors and paging. `entry` defines the entries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from hotpeers_shim.contract import clean_text

from .. import __version__
from .fault import Fault
from .reasons import RegistryReason

PAGE = 250
"""Number of entries requested in one page."""
_MAX_PAGES = 400
_MAX_PAGE_BYTES = 16 * 1024 * 1024
_MAX_ENTRY_BYTES = 1024 * 1024
_MAX_ERROR_BYTES = 16 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=10.0, connect=3.0)
_LATER = "Tell the user if it goes on; nothing was created or changed."
_TOKEN = "Tell the user that an operator must mend it; nothing was created or changed."  # noqa: S105


class Registry:
    """A client of one registry; use it as an asynchronous context manager.

    `token_file` is read for each request, because such files are rotated.
    """

    def __init__(
        self,
        url: str,
        token_file: Path | None = None,
        *,
        timeout: aiohttp.ClientTimeout = _TIMEOUT,
    ) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Registry:
        self._session = aiohttp.ClientSession(
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "User-Agent": f"hotpeers/{__version__}"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def pages(self, plural: str) -> AsyncGenerator[list[Any], None]:
        """All entries of a kind, page by page. Raises `Fault`."""
        cursor = ""
        seen: set[str] = set()
        for _ in range(_MAX_PAGES):
            params = {"limit": str(PAGE), **({"cursor": cursor} if cursor else {})}
            data = await self._get(f"/v0/{plural}", params, _MAX_PAGE_BYTES)
            items, cursor = data.get("items") or [], data.get("nextCursor") or ""
            if not isinstance(items, list) or not isinstance(cursor, str):
                raise _bad(f"/v0/{plural} is no list of entries")
            yield items
            if not cursor:
                return
            if cursor in seen:
                raise _bad(f"/v0/{plural} leads back to a page that was read")
            seen.add(cursor)
        raise _bad(f"/v0/{plural} has more than {_MAX_PAGES} pages")

    async def entry(self, plural: str, name: str, tag: str = "", namespace: str = "") -> Any:
        """One entry. Without a tag, the one tagged `latest`. Raises `Fault`."""
        path = f"/v0/{plural}/{quote(name, safe='')}"
        path += f"/{quote(tag, safe='')}" if tag else ""
        params = {"namespace": namespace} if namespace else {}
        return await self._get(path, params, _MAX_ENTRY_BYTES)

    async def _get(self, path: str, params: Mapping[str, str], limit: int) -> dict[str, Any]:
        status, raw = await self._request(path, params, limit)
        if status == 404:
            raise Fault(
                RegistryReason.TEMPLATE_NOT_FOUND,
                f"{path}: {_message(raw)}",
                "Search with search_agents_agentregistry and take a name and tag from its answer.",
            )
        if status != 200:
            message = f"{path}: status {status}: {_message(raw)}"
            raise Fault(RegistryReason.REGISTRY_FAILED, message, _LATER)
        try:
            data = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise _bad(f"{path} is not JSON") from error
        if not isinstance(data, dict):
            raise _bad(f"{path} is no JSON object")
        return data

    async def _request(self, path: str, params: Mapping[str, str], limit: int) -> tuple[int, bytes]:
        assert self._session is not None, "use `async with`"  # noqa: S101
        try:
            async with self._session.get(
                self._url + path,
                params=params,
                headers=await self._authorization(),
                # A redirect could send the token to another server.
                allow_redirects=False,
            ) as response:
                bound = limit if response.status == 200 else _MAX_ERROR_BYTES
                return response.status, await _body(response, bound, path)
        except TimeoutError as error:
            message = f"{self._url}: no answer within {self._timeout.total:g} s"
            raise Fault(RegistryReason.REGISTRY_UNREACHABLE, message, _LATER) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            message = f"{self._url}: {_plainly(error)}"
            raise Fault(RegistryReason.REGISTRY_UNREACHABLE, message, _LATER) from error

    async def _authorization(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        try:
            token = await asyncio.to_thread(self._token_file.read_text, "utf-8")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            message = f"{self._url}: the token cannot be read from {self._token_file}: {why}"
            raise Fault(RegistryReason.REGISTRY_FAILED, message, _TOKEN) from error
        return {"Authorization": f"Bearer {token.strip()}"}


async def _body(response: aiohttp.ClientResponse, limit: int, path: str) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            if response.status != 200:
                break
            raise _bad(f"{path} is larger than {limit} bytes")
    return bytes(body)


def _bad(message: str) -> Fault:
    return Fault(RegistryReason.REGISTRY_ANSWER_BAD, message, _LATER)


def _message(raw: bytes) -> str:
    """The text of a problem document (RFC 9457). Other content is not shown to a model."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        return "no reason given"
    detail = data.get("detail") or data.get("title") if isinstance(data, dict) else ""
    return clean_text(str(detail), 300) if detail else "no reason given"


def _plainly(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return clean_text(str(error) or type(error).__name__, 200)
