"""The events of the pages that update themselves, over HTTP."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar
from aiohttp.test_utils import make_mocked_request

from hotpeers.base.http import serve
from hotpeers.base.settings import Listen
from hotpeers.console.streams import MOST_OF_A_SESSION, Streams
from hotpeers.console.world import World
from kit.apiserver.resources import peer
from kit.console.browser import Browser, events_of, sign_in, text_of, version_in
from kit.console.objects import status_of
from kit.waiting import until_async


async def test_change_reaches_a_page(scene: Any, browser: Browser, publishing: None) -> None:
    await sign_in(browser)
    version = version_in(await text_of(browser, "/"))
    async with browser.get("/events", params={"since": version}) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        scene.put("peers", peer("team", "new"))
        event = await events_of(stream)
        assert event["event"] == "change"
        assert event["data"] == version_in(await text_of(browser, "/")) != version


async def test_event_has_nothing_of_the_change(
    scene: Any, browser: Browser, publishing: None
) -> None:
    await sign_in(browser)
    async with browser.get("/events") as stream:
        event = await events_of(stream)
        assert re.fullmatch(r"[0-9a-f]{8}\.all\.\d+", event["data"])


async def test_change_that_was_missed_is_sent_at_once(
    scene: Any, browser: Browser, publishing: None
) -> None:
    await sign_in(browser)
    version = version_in(await text_of(browser, "/"))
    scene.put("peers", peer("team", "new"))
    for headers, since in (
        ({"Last-Event-ID": version}, ""),
        ({}, version),
        ({}, "of-another-process"),
    ):
        async with browser.get("/events", params={"since": since}, headers=headers) as stream:
            assert (await events_of(stream))["data"] != version


async def test_user_gets_no_event_for_hidden_namespaces(
    scene: Any, browser: Browser, publishing: None
) -> None:
    await sign_in(browser, "of-team")
    version = version_in(await text_of(browser, "/"))
    async with browser.get("/events", params={"since": version}) as stream:
        scene.show("other", "secret-lead", status_of(["other/x"]))
        await asyncio.sleep(0.3)
        scene.put("peers", peer("team", "new"))
        await events_of(stream)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await events_of(stream)


async def test_stream_ends_with_the_session(scene: Any, browser: Browser, publishing: None) -> None:
    await sign_in(browser)
    version = version_in(await text_of(browser, "/"))
    async with browser.get("/events", params={"since": version}) as stream:
        cookies = {one.key: one.value for one in browser.session.cookie_jar}
        await browser.post("/sign-out", cookies=cookies, allow_redirects=False)
        scene.put("peers", peer("team", "new"))
        assert (await events_of(stream))["event"] == "end"


async def test_streams_of_a_session_are_limited(browser: Browser) -> None:
    await sign_in(browser)
    streams = [await browser.get("/events") for _ in range(MOST_OF_A_SESSION)]
    async with browser.get("/events") as refused:
        assert refused.status == 503
    for stream in streams:
        stream.close()


async def test_stream_of_a_page_that_was_left_does_not_count(scene: Any) -> None:
    site = scene.site()
    # The server of aiohttp's tests would cancel the handler. The one in use does not.
    async with (
        serve(site.app(), Listen(host="127.0.0.1", port=0)) as port,
        ClientSession(f"http://127.0.0.1:{port}", cookie_jar=CookieJar(unsafe=True)) as browser,
    ):
        await sign_in(browser)
        for _ in range(3):
            async with browser.get("/events") as stream:
                await events_of(stream)
                stream.close()
        await until_async("no open stream", lambda: site._streams.number == 0, 5)


async def test_streams_that_open_together_are_limited() -> None:
    may_go = asyncio.Event()

    async def visible_now() -> None:
        await may_go.wait()

    streams, request = Streams(World()), make_mocked_request("GET", "/events")
    opening = [
        asyncio.create_task(streams.serve(request, b"session", visible_now))
        for _ in range(MOST_OF_A_SESSION + 5)
    ]
    await asyncio.sleep(0)
    may_go.set()
    statuses = [(await one).status for one in opening]
    assert statuses == [401] * MOST_OF_A_SESSION + [503] * 5
    assert streams.number == 0


async def test_hostile_last_event_id_changes_nothing(browser: Browser) -> None:
    await sign_in(browser)
    async with browser.get("/events", params={"since": "a\n\nevent: evil\ndata: x" * 50}) as stream:
        assert (await events_of(stream))["event"] == "change"
