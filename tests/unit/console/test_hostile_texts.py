"""Hostile texts in objects, parameters and paths stay texts on every page."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kit.apiserver.resources import peer
from kit.console.browser import PAGES, Browser, sign_in, text_of
from kit.console.objects import condition, faulty_replica, policy, spawned, status_of

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</title></svg><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "]]>--><!--",
    "a\x00b\u202ec\u2028d",
)


def hostile_scene(scene: Any, text: str) -> None:
    status = {
        **status_of([f"team/{text}", text]),
        "runtime": text,
        "held": text,
        "refused": [{"peer": text, "reason": text, "message": text}],
        "problems": [{"where": text, "reason": text, "message": text}],
        "conditions": [
            condition(text, "False", text, text),
            condition("Live", "False", text, text),
        ],
        "changes": [
            {"time": text, "replica": text, "generation": 1, "added": [text], "removed": [text]}
        ],
        "replicas": {
            text: {
                **faulty_replica(text),
                "message": text,
                "failures": {text: 3},
                "failing": [{"peer": text, "reason": text, "message": text, "count": 1}],
            }
        },
    }
    scene.show("team", "lead", status)
    scene.put(
        "peers",
        {
            **peer("team", "weather", text, description=text),
            "status": {
                "offeredTo": text,
                "lastFailure": {"orchestrator": f"team/{text}", "reason": text, "message": text},
            },
        },
    )
    stamps = dict.fromkeys(("hotpeers.dev/policy", "hotpeers.dev/template"), text)
    scene.put("agents", spawned("team", "helper", text, **stamps))
    one = policy("team", "helpers", text)
    denial = dict.fromkeys(
        ("subject", "operation", "name", "namespace", "reason", "field", "message"), text
    )
    one["status"] = {"lastDenial": denial, "conditions": [condition("Ready", "False", text, text)]}
    scene.put("policies", one)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("path", PAGES)
async def test_hostile_texts_stay_text(scene: Any, browser: Browser, path: str, text: str) -> None:
    hostile_scene(scene, text)
    await sign_in(browser)
    body = await text_of(browser, path)
    assert_harmless(body)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", ["q", "state", "sort", "order", "page", "focus", "next", "since"])
async def test_hostile_parameters_stay_text(browser: Browser, name: str, text: str) -> None:
    await sign_in(browser)
    for path in ("/", "/peers", "/picture", "/sign-in", "/orchestrators/team/lead"):
        async with browser.get(path, params={name: text}) as answer:
            assert answer.status == 200
            assert_harmless(await answer.text())


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_path_stays_text(browser: Browser, text: str) -> None:
    await sign_in(browser)
    for path in (f"/{text}", f"/orchestrators/team/{text}", f"/static/{text}"):
        async with browser.get(path) as answer:
            assert answer.status in (400, 404)
            assert_harmless(await answer.text())


def assert_harmless(body: str) -> None:
    """No tag, attribute or link of a hostile text is in the markup."""
    without = re.sub(
        r'<script type="module" src="/static/hotpeers\.js\?v=[0-9a-f]+"></script>', "", body
    )
    assert "<script" not in without
    assert "<img src=x" not in without
    assert "49" not in re.sub(r"[0-9a-f]{8,}|\d{4}-\d\d-\d\d.{12}|[\d.]+[ \"C]", "", without)
    for tag in re.findall(r"<[a-zA-Z][^>]*>", without):
        names = re.findall(r'\s([a-zA-Z-]+)="[^"]*"', tag)
        assert not [one for one in names if one.lower().startswith("on")], tag
        # Quotes of a value are escaped, so each tag is a plain list of attributes.
        assert re.fullmatch(r'<[a-zA-Z0-9]+(\s+[a-zA-Z-]+(="[^"]*")?)*\s*/?>', tag), tag
    for target in re.findall(r'(?:src|href|action|content)="([^"]*)"', without):
        assert not target.strip().lower().startswith(("javascript:", "data:", "//"))
