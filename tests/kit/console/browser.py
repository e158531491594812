"""Requests as of a browser to the console."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

PAGES = (
    "/",
    "/picture",
    "/peers",
    "/spawned",
    "/policies",
    "/orchestrators/team/lead",
    "/picture?focus=team",
    "/picture?focus=team%2Flead",
)
Browser = TestClient[Any, Any]


async def sign_in(browser: Browser, token: str = "of-admin", **more: str) -> ClientResponse:
    return await browser.post("/sign-in", data={"token": token, **more}, allow_redirects=False)


async def text_of(browser: Browser, path: str) -> str:
    async with browser.get(path, allow_redirects=False) as answer:
        assert answer.status == 200, path
        return await answer.text()


async def events_of(answer: ClientResponse) -> dict[str, str]:
    """The next event of a stream."""
    found: dict[str, str] = {}
    async with asyncio.timeout(5):
        while True:
            line = (await answer.content.readline()).decode().rstrip("\n")
            if line and not line.startswith(":"):
                key, _, value = line.partition(": ")
                found[key] = value
            elif "event" in found:
                return found
            elif not line and answer.content.at_eof():
                raise AssertionError("the stream ended")


def version_in(body: str) -> str:
    found = re.search(r'data-version="([^"]*)"', body)
    assert found
    return found[1]
