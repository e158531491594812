"""OAuth2 client credentials, against a real token endpoint: renewed in time, kept through outages."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trustme
from aiohttp import web

from hotpeers.sidecar.credentials.document import _context
from hotpeers.sidecar.credentials.grant import OAuth2
from hotpeers.sidecar.credentials.tokens import TokenKeeper
from hotpeers.sidecar.reasons import SidecarReason
from kit.servers import TokenServer, server_context, serving

SECRET = "client-s3cret"


class Scene:
    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.keeper = TokenKeeper(self.event.set)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self.event.clear()
                await self.event.wait()


@asynccontextmanager
async def scene(server: TokenServer, **client: Any) -> AsyncIterator[tuple[Scene, OAuth2]]:
    made = Scene()
    async with serving(server.app) as url, made.keeper:
        known = OAuth2(f"{url}/token", "agent", SECRET, **client)
        made.keeper.follow({known})
        yield made, known


@pytest.mark.parametrize("authentication", ["client_secret_basic", "client_secret_post"])
async def test_token_request_carries_scopes_and_audience(authentication: str) -> None:
    server = TokenServer()
    options = {"scopes": ("read", "write"), "audience": "https://a.example"}
    async with scene(server, authentication=authentication, **options) as (made, client):
        await made.until(lambda: made.keeper.value(client))
        assert made.keeper.value(client) == "t0ken-1"
        form = server.forms[0]
        assert form["grant_type"] == "client_credentials"
        assert form["scope"] == "read write"
        assert form["audience"] == "https://a.example"
        assert ("client_secret" in form) == (authentication == "client_secret_post")
        assert made.keeper.problems == ()


async def test_token_is_renewed_before_it_expires() -> None:
    server = TokenServer(life=1.0)
    async with scene(server) as (made, client):
        await made.until(lambda: len(server.tokens) >= 3)
        assert f"Bearer {made.keeper.value(client)}" in server.valid()


async def test_server_that_is_down_at_renewal_leaves_the_token_until_it_expires() -> None:
    server = TokenServer(life=1.5)
    async with scene(server) as (made, client):
        await made.until(lambda: made.keeper.value(client))
        server.down = True
        await made.until(lambda: made.keeper.problems)
        assert f"Bearer {made.keeper.value(client)}" in server.valid()
        (problem,) = made.keeper.problems
        assert problem.reason is SidecarReason.TOKEN_UNAVAILABLE
        assert problem.message == "status 503, temporarily_unavailable"
        # A token that has expired is sent no more: it would say nothing but that.
        await made.until(lambda: not made.keeper.value(client))
        server.down = False
        await made.until(lambda: made.keeper.value(client))
        assert made.keeper.problems == ()


async def test_old_token_is_used_until_the_new_secret_gets_one() -> None:
    server = TokenServer()
    async with scene(server) as (made, client):
        await made.until(lambda: made.keeper.value(client))
        server.down = True
        renewed = replace(client, client_secret="next-s3cret")
        made.keeper.follow({renewed})
        assert made.keeper.value(renewed) == "t0ken-1"
        await made.until(lambda: made.keeper.problems)
        assert made.keeper.value(renewed) == "t0ken-1"
        server.secrets["agent"], server.down = "next-s3cret", False
        await made.until(lambda: made.keeper.value(renewed) == "t0ken-2")
        # Another client gets nothing of it.
        other = replace(client, client_id="other")
        made.keeper.follow({other})
        assert made.keeper.value(other) == ""


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"text": f"<html>{SECRET}"}, "no JSON object"),
        ({"text": "[" * 100_000}, "no JSON object"),
        ({"text": "x" * 300_000}, "larger than"),
        ({"text": "{}"}, "no access_token"),
        ({"text": '{"access_token": "a\\r\\nb"}'}, "no access_token"),
        ({"text": '{"access_token": 7}'}, "no access_token"),
        ({"text": '{"access_token": "t", "token_type": "mac"}'}, "not a bearer token"),
        ({"text": f'{{"error": "{SECRET}!"}}', "status": 400}, "status 400"),
        ({"text": '{"error": "invalid_client"}', "status": 401}, "status 401, invalid_client"),
        ({"status": 307, "headers": {"Location": "http://127.0.0.1:9/"}}, "status 307"),
    ],
)
async def test_malformed_token_response_is_a_problem_without_a_secret(
    answer: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = TokenServer()
    server.answer = web.Response(**answer)
    async with scene(server) as (made, client):
        await made.until(lambda: made.keeper.problems)
        (problem,) = made.keeper.problems
        assert message in problem.message
        assert made.keeper.value(client) == ""
        assert SECRET not in f"{problem} {caplog.text} {client!r}"


@pytest.mark.parametrize("life", [None, 0, -5, "soon", "60", 1e300])
async def test_token_is_used_with_any_expires_in(life: Any) -> None:
    server = TokenServer()
    server.answer = web.json_response({"access_token": "t0ken", "expires_in": life})
    async with scene(server) as (made, client):
        await made.until(lambda: made.keeper.value(client) == "t0ken")


async def test_server_of_a_private_authority_is_reached_with_its_bundle_only(tmp_path: Any) -> None:
    authority = trustme.CA()
    server, made = TokenServer(), Scene()
    async with serving(server.app, server_context(authority)) as url, made.keeper:
        bare = OAuth2(f"{url}/token", "agent", SECRET)
        made.keeper.follow({bare})
        await made.until(lambda: made.keeper.problems)
        assert "not trusted" in made.keeper.problems[0].message
        ca = authority.cert_pem.bytes().decode()
        trusting = replace(bare, ca=ca, context=_context(ca, None, tmp_path, ""))
        made.keeper.follow({trusting})
        await made.until(lambda: made.keeper.value(trusting))
