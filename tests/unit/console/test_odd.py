"""Objects of any shape, and queries with any text: each page is made, and loses nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient
from yarl import URL

from hotpeers.console.pages import Banner, Pages
from hotpeers.console.world import Visible
from kit.apiserver.resources import orchestrator, peer
from kit.console.objects import FAULTY, faulty_replica, policy, spawned, status_of

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 10**400, float("nan"), float("inf"), 1e308, "", "x" * 100_000, "\x00",
    "\ud800", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "\uff11\uff12",
    [], {}, [[]], [None] * 5_000,
    [{}], {"": {}}, {"a": {"b": None}}, ["\ud800"], {"\ud800" * 500: {"\ud800": 1}},
)  # fmt: skip


def objects() -> dict[str, Any]:
    lead = orchestrator("team", "lead")
    lead["status"] = status_of(["team/weather"]) | FAULTY
    lead["status"]["replicas"] = {"pod-1": faulty_replica("team/weather")}
    failure = {"orchestrator": "team/lead", "reason": "r", "message": "m", "time": "t"}
    weather = peer("team", "weather") | {"status": {"offeredTo": "1", "lastFailure": failure}}
    helpers = policy("team", "helpers", "lead")
    helpers["status"] = {
        "agentsAlive": 1,
        "lastDenial": {"time": "t", "subject": "s", "reason": "r", "field": "f", "message": "m"},
        "conditions": [{"type": "Ready", "status": "False", "reason": "r", "message": "m"}],
    }
    helper = spawned("team", "helper", "team/lead")
    return {"orchestrators": lead, "peers": weather, "policies": helpers, "agents": helper}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each part of an object."""
    if path:
        yield path
    if isinstance(value, dict | list):
        below = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in below:
            yield from places(one, (*path, key))


def spoiled(whole: Any, path: tuple[Any, ...], odd: Any) -> Any:
    found = copy.deepcopy(whole)
    value = found
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = odd
    return found


def rendered(scene: Any, pages: Pages) -> None:
    """Make every page, with each order of its table."""
    view = scene.world.view(Visible(everything=True))
    frame = pages.context(view, Banner())
    given: list[tuple[str, dict[str, Any]]] = [
        (f"{name}.html", getattr(pages, name)(view, {"sort": sort, "q": "e"}))
        for name, sorts in (
            ("overview", ("name", "problems", "peers", "live", "runtime")),
            ("peers", ("name", "offered", "ready", "failure")),
        )
        for sort in sorts
    ]
    given += [("picture.html", pages.picture(view, {"focus": one})) for one in ("", "team")]
    given += [("spawned.html", pages.spawned(view)), ("policies.html", pages.policies(view))]
    for one in view.orchestrators:
        content = pages.orchestrator(view, one.key.namespace, one.key.name)
        assert content is not None
        given.append(("orchestrator.html", content))
    for template, content in given:
        text = pages.render(template, **frame, **content, current="", user="u")
        assert len(text.encode()) < 1_000_000


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("kind", ["orchestrators", "peers", "policies", "agents"])
def test_object_with_an_odd_part_is_shown(empty: Any, kind: str, odd: Any) -> None:
    whole = objects()
    pages = Pages()
    for number, path in enumerate(places(whole[kind])):
        one = spoiled(whole[kind], path, odd)
        if path[0] != "metadata":
            one["metadata"]["name"] = f"odd-{number}"
        empty.put(kind, one)
    empty.put("orchestrators", whole["orchestrators"])
    rendered(empty, pages)


SEARCHES = (
    "x" * 5_000, ".*[a-z]+(", "\\", "%", "%%%", "a\x00b", "שלום", "\u202eevil", "👩‍👩‍👧", "İ", "ß", "<b>",
    '"', "'", "&amp;", "+", "#", "a/b?c=d", "\ufffd",
    " " * 300, "\t\n\r", "\uff11", "null", "NaN", "-1",
)  # fmt: skip


@pytest.mark.parametrize("text", SEARCHES, ids=range(len(SEARCHES)))
async def test_search_takes_any_text(browser: TestClient[Any, Any], text: str) -> None:
    await browser.post("/sign-in", data={"token": "of-admin"})
    for path in ("/", "/peers", "/picture"):
        for name in ("q", "state", "sort", "order", "page", "focus"):
            async with browser.get(f"{path}?{name}={quote(text[:1_500])}") as answer:
                assert answer.status == 200


@pytest.mark.parametrize("raw", ["%ED%A0%80", "%FF%FE", "%", "%zz", "%00", "&&&", "q=a&q=b", "=x"])
async def test_query_that_is_no_text_is_read_as_one(
    browser: TestClient[Any, Any], raw: str
) -> None:
    await browser.post("/sign-in", data={"token": "of-admin"})
    for path in ("/", "/peers", "/picture", "/orchestrators/team/lead", "/sign-in"):
        for name in ("q", "focus", "next", "sort"):
            async with browser.get(URL(f"{path}?{name}={raw}", encoded=True)) as answer:
                assert answer.status == 200, await answer.text()
    for path in (f"/orchestrators/{raw}/lead", f"/static/{raw}", f"/{raw}"):
        async with browser.get(URL(path.partition("?")[0], encoded=True)) as answer:
            assert answer.status in (200, 400, 404)


async def test_longest_names_are_shown_and_lead_to_their_pages(scene: Any, browser: Any) -> None:
    namespace, name = "n" * 63, "a" * 61 + "." + "b" * 191
    scene.show(namespace, name, status_of([f"{namespace}/{name}"]))
    await browser.post("/sign-in", data={"token": "of-admin"})
    for path in ("/", f"/picture?focus={namespace}%2F{name}", f"/orchestrators/{namespace}/{name}"):
        async with browser.get(path) as answer:
            assert answer.status == 200
            body = await answer.text()
            assert f"/orchestrators/{namespace}/{name}" in body or name in body
    async with browser.get(f"/picture?focus={namespace}%2F{name}") as answer:
        assert f"Who may call {namespace}/{name}" in await answer.text()
