"""Tokens and rights that end while a user is signed in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from hotpeers.console.cached_answer import KEPT_SECONDS, OLDEST_SECONDS, RETRY_SECONDS
from hotpeers.console.metrics import ConsoleMetrics
from hotpeers.console.reviews import User
from hotpeers.kube.errors import ServerError
from kit.apiserver.resources import peer
from kit.console.browser import PAGES, Browser, events_of, sign_in, text_of, version_in


@pytest.fixture
async def timed(scene: Any, clock: Any) -> Any:
    """A client that is signed in, of a site whose sessions and rights grow old by `clock`."""
    async with TestClient(TestServer(scene.site(clock).app())) as client:
        await sign_in(client)
        assert "lead" in await text_of(client, "/")
        yield client


async def test_token_that_is_revoked_ends_the_session(
    scene: Any, timed: Browser, clock: Any
) -> None:
    scene.tokens.clear()
    clock.now += KEPT_SECONDS
    async with timed.get("/", allow_redirects=False) as answer:
        assert answer.status == 303
    scene.tokens["of-admin"] = User("admin", groups=("admins",))
    async with timed.get("/", allow_redirects=False) as answer:
        assert answer.status == 303


async def test_token_is_asked_about_once_for_many_requests(
    scene: Any, timed: Browser, clock: Any
) -> None:
    clock.now += KEPT_SECONDS
    await asyncio.gather(*(text_of(timed, path) for path in PAGES))
    assert len(scene.reviewed) == 2


async def test_outage_of_the_api_server_ends_no_session_but_hides_everything_in_the_end(
    scene: Any, timed: Browser, clock: Any
) -> None:
    scene.error = ServerError("down", 500)
    clock.now += OLDEST_SECONDS - 1
    assert "lead" in await text_of(timed, "/")
    clock.now += 1
    for path in PAGES:
        async with timed.get(path, allow_redirects=False) as answer:
            assert answer.status == 503
            assert "lead" not in await answer.text()
    async with timed.get("/events") as answer:
        assert answer.status == 503
    scene.error = None
    clock.now += RETRY_SECONDS
    assert "lead" in await text_of(timed, "/")


async def test_right_that_is_removed_hides_the_namespace(
    scene: Any, timed: Browser, clock: Any
) -> None:
    scene.allowed["admin"] = {"team"}
    clock.now += KEPT_SECONDS
    assert "secret-lead" not in await text_of(timed, "/")
    async with timed.get("/orchestrators/other/secret-lead") as answer:
        assert answer.status == 404


async def test_stream_ends_with_the_token(
    scene: Any, timed: Browser, clock: Any, publishing: None
) -> None:
    version = version_in(await text_of(timed, "/"))
    async with timed.get("/events", params={"since": version}) as stream:
        scene.tokens.clear()
        clock.now += KEPT_SECONDS
        scene.put("peers", peer("team", "new"))
        assert (await events_of(stream))["event"] == "end"


async def test_metrics_count_sessions_sign_ins_and_ended_tokens(scene: Any, clock: Any) -> None:
    metrics = ConsoleMetrics()
    async with TestClient(TestServer(scene.site(clock, metrics=metrics).app())) as browser:
        await sign_in(browser, "wrong")
        await sign_in(browser)
        async with browser.get("/events") as stream:
            await events_of(stream)
            found = metrics.text().decode()
            assert 'hotpeers_console_sign_ins_total{result="accepted"} 1.0' in found
            assert 'hotpeers_console_sign_ins_total{result="refused"} 1.0' in found
            assert 'hotpeers_console_sign_ins_total{result="failed"} 0.0' in found
            assert "hotpeers_console_sessions 1.0" in found
            assert "hotpeers_console_streams 1.0" in found
        scene.tokens.clear()
        clock.now += KEPT_SECONDS
        await browser.get("/")
        found = metrics.text().decode()
        assert "hotpeers_console_sessions 0.0" in found
        assert "hotpeers_console_revoked_sessions_total 1.0" in found
