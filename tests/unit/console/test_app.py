"""What the pages show to whom, over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from hotpeers.console.pages import Banner
from hotpeers.console.reviews import User
from hotpeers.console.world import World
from kit.apiserver.resources import peer
from kit.console.browser import PAGES, Browser, sign_in, text_of
from kit.console.objects import condition, status_of


async def test_user_sees_only_his_namespaces(browser: Browser) -> None:
    await sign_in(browser, "of-team")
    for path in PAGES:
        body = await text_of(browser, path)
        assert "secret-lead" not in body, path
        assert "other/hidden" not in body, path
    for path in ("/orchestrators/other/secret-lead", "/orchestrators/other/missing"):
        async with browser.get(path) as answer:
            assert answer.status == 404
            assert "no such orchestrator" in await answer.text()
    assert "Show all" not in await text_of(browser, "/picture?focus=other")
    assert "team/lead" in (await text_of(browser, "/")).replace("</span><wbr>", "")


async def test_failure_of_a_peer_does_not_name_a_hidden_orchestrator(
    scene: Any, browser: Browser
) -> None:
    failure = {"orchestrator": "other/secret-lead", "reason": "PeerUnreachable", "message": "m"}
    scene.put("peers", {**peer("team", "weather"), "status": {"lastFailure": failure}})
    await sign_in(browser, "of-team")
    body = await text_of(browser, "/peers")
    assert "PeerUnreachable" in body
    assert "secret-lead" not in body


async def test_user_without_rights_learns_what_to_do(scene: Any, browser: Browser) -> None:
    scene.allowed.clear()
    await sign_in(browser)
    body = await text_of(browser, "/")
    assert "You may list Orchestrators in no namespace" in body
    assert "Nothing is wrong" not in body
    assert "hotpeers.dev/inject" not in body
    assert "lead" not in body.replace("leads", "")


async def test_empty_cluster_says_how_to_begin(empty: Any) -> None:
    async with TestClient(TestServer(empty.site().app())) as browser:
        await sign_in(browser)
        assert "hotpeers.dev/inject" in await text_of(browser, "/")


async def test_incomplete_view_does_not_say_that_all_is_well(scene: Any) -> None:
    banner = Banner(complete=False)
    async with TestClient(TestServer(scene.site(banner=lambda: banner).app())) as browser:
        await sign_in(browser)
        body = await text_of(browser, "/")
        assert "not read completely yet" in body
        assert ">Nothing is wrong.<" not in body


async def test_missing_kind_is_named(scene: Any) -> None:
    banner = Banner(missing=("Orchestrator",))
    async with TestClient(TestServer(scene.site(banner=lambda: banner).app())) as browser:
        await sign_in(browser)
        assert "This cluster has no kind Orchestrator of hotpeers" in await text_of(browser, "/")


async def test_number_leads_to_as_many_rows(scene: Any, browser: Browser) -> None:
    """Also where the state of some is unknown: those are not counted as not live."""
    for name, state in (("a", "False"), ("b", "Unknown"), ("c", "False"), ("d", "True")):
        status = status_of([]) | {"conditions": [condition("Live", state, "r", "m")]}
        scene.show("team", name, status)
    scene.show("team", "of-the-hub", {"peers": 1})
    await sign_in(browser)
    found = re.search(
        r'<a href="([^"]*)"[^>]*><strong>2</strong> Not live', await text_of(browser, "/")
    )
    assert found
    # The table is far below the problems.
    assert found[1].endswith("#table-title")
    assert "1 to 2 of 2 orchestrators" in await text_of(browser, found[1].partition("#")[0])


async def test_pages_are_not_shared_between_users(browser: Browser) -> None:
    await sign_in(browser)
    assert "secret-lead" in await text_of(browser, "/")
    await browser.post("/sign-out", allow_redirects=False)
    await sign_in(browser, "of-team")
    assert "secret-lead" not in await text_of(browser, "/")


async def test_pages_are_not_shared_by_chance(
    scene: Any, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long names are cut on the page, and a version has only 32 bits of what a user may see."""
    monkeypatch.setattr(World, "version", lambda *_: "the same")
    for last, namespace in (("a", ""), ("b", "team")):
        name = "x" * 200 + last
        scene.tokens[f"of-{last}"] = User(name)
        scene.allowed[name] = {namespace}
    await sign_in(browser, "of-a")
    assert "secret-lead" in await text_of(browser, "/")
    await browser.post("/sign-out", allow_redirects=False)
    await sign_in(browser, "of-b")
    assert "secret-lead" not in await text_of(browser, "/")


@pytest.mark.parametrize(
    "path", [*PAGES, "/sign-in", "/nothing", "/static/hotpeers.css", "/static/x"]
)
async def test_every_answer_has_a_strict_policy(browser: Browser, path: str) -> None:
    await sign_in(browser)
    async with browser.get(path) as answer:
        policy = dict(
            one.split(" ", 1) for one in answer.headers["Content-Security-Policy"].split("; ")
        )
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "connect-src": "'self'",
            "img-src": "'self'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
        }
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", [*PAGES, "/sign-in"])
async def test_pages_have_no_inline_code_and_nothing_from_elsewhere(
    browser: Browser, path: str
) -> None:
    await sign_in(browser)
    body = await text_of(browser, path)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=\"/)|javascript:", body)
    for target in re.findall(r'(?:src|href|action)="([^"]*)"', body):
        assert target.startswith(("/", "#"))
        assert not target.startswith("//")


async def test_search_state_sort_and_page_are_in_the_url(scene: Any, browser: Browser) -> None:
    for number in range(120):
        scene.show("team", f"agent-{number:03}", status_of([]))
    await sign_in(browser)
    body = await text_of(browser, "/?q=team/agent&sort=name&order=desc&page=2")
    assert "agent-069" in body
    assert "agent-119" not in body
    assert "51 to 100 of 120 orchestrators" in body
    assert 'aria-sort="descending"' in body


async def test_pages_in_memory_are_bounded(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user may ask for any number of them: each query is another page."""
    monkeypatch.setattr("hotpeers.console.app._KEPT_BYTES", 100_000)
    site = scene.site()
    async with TestClient(TestServer(site.app())) as browser:
        await sign_in(browser)
        for number in range(50):
            headers = {"Accept-Encoding": "identity"}
            async with browser.get(f"/?number={number}", headers=headers) as answer:
                assert answer.status == 200
    assert 50_000 < sum(map(len, site._made.values())) <= 100_000
