"""Reads `/status` of the sidecars in pods, with limits.

A pod is not trusted: it may lie, send without end, or send a gigabyte. Requests go to the pod's own
address only. Addresses in its answer are never used, and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Callable
from typing import Any, Self

import aiohttp

from hotpeers_shim.contract.counting import JsonCounter

from ... import __version__
from ...hold.answer import SILENT, Answer, read_answer
from ...hold.workload import Pod

_SECONDS = 2.0
_MAX_BYTES = 2 * 1024 * 1024
_MAX_VALUES, _MAX_DEPTH = 50_000, 32
_AT_ONCE = 8

Place = tuple[str, int]


def place_of(pod: Pod) -> Place | None:
    """Address and port of a pod's sidecar; None if the address cannot be that of a pod."""
    try:
        address = ipaddress.ip_address(pod.ip)
    except ValueError:
        return None
    odd = (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or getattr(address, "ipv4_mapped", None) is not None
    )
    return None if odd or not pod.port else (str(address), pod.port)


class Sidecars:
    """Asks pods. An asynchronous context manager. `place` returns the address for a pod."""

    def __init__(self, place: Callable[[Pod], Place | None] = place_of) -> None:
        self._place = place
        self._session: aiohttp.ClientSession | None = None
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=_AT_ONCE, force_close=True),
            auto_decompress=False,
            # Ignore proxy settings: connect to a pod directly only.
            trust_env=False,
            headers={
                "Accept-Encoding": "identity",
                "User-Agent": f"hotpeers/{__version__}",
            },
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def can_ask(self, pod: Pod) -> bool:
        """Whether the pod has an address and a sidecar's port."""
        return self._place(pod) is not None

    async def ask(self, pod: Pod, wanted: str) -> Answer:
        """A pod's answer about a configuration; `SILENT` if there is no readable answer."""
        place = self._place(pod)
        if place is None:
            return SILENT
        async with self._free:
            try:
                document = await self._status(*place)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError):
                return SILENT
        return read_answer(document, wanted)

    async def _status(self, host: str, port: int) -> Any:
        assert self._session is not None, "use `async with`"  # noqa: S101
        host = f"[{host}]" if ":" in host else host
        body, counter = bytearray(), JsonCounter()
        async with self._session.get(
            f"http://{host}:{port}/status", allow_redirects=False
        ) as response:
            if response.status != 200:
                raise ValueError("no status")
            async for chunk in response.content.iter_any():
                body += chunk
                counter.add(chunk)
                if (
                    len(body) > _MAX_BYTES
                    or counter.values > _MAX_VALUES
                    or counter.deepest > _MAX_DEPTH
                ):
                    raise ValueError("more than a status is")
        return json.loads(body)
