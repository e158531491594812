"""OAuth2 client credentials against a real token endpoint: in time, kept while valid, never quoted."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from credential_kit import Authority, Secret, TokenServer, keeping, serving
from hotpeers.credentials.document import OAuth2
from hotpeers.credentials.tokens import TokenError, fetch_token
from hotpeers.reasons import Reason

PEER = "https://a.example"
SECRET = "s3cret-of-client"


def oauth2(url: str, **more: Any) -> dict[str, Any]:
    asked = {"tokenUrl": url, "clientId": "orchestrator", "clientSecret": SECRET, **more}
    return {"prefix": PEER, "oauth2": asked}


@pytest.mark.parametrize("authentication", ["basic", "body"])
async def test_token_is_asked_for_as_the_document_says(authentication: str) -> None:
    server = TokenServer()
    async with serving(server) as url:
        token, life = await fetch_token(
            OAuth2(url, "orchestrator", SECRET, "a b", "peers", authentication)
        )
    assert (token, life) == (server.issued[0][0], 3600)
    assert (server.forms[0]["scope"], server.forms[0]["audience"]) == (["a b"], ["peers"])
    assert ("client_secret" in server.forms[0]) == (authentication == "body")


async def test_token_endpoint_of_a_private_authority() -> None:
    authority, server = Authority(), TokenServer()
    async with serving(server, authority.server()) as url:
        with pytest.raises(TokenError, match="not trusted"):
            await fetch_token(OAuth2(url, "orchestrator", SECRET))
        token, _ = await fetch_token(OAuth2(url, "orchestrator", SECRET, ca=authority.pem))
    assert token == server.issued[0][0]


@pytest.mark.parametrize("life", [None, "600", 0, -1, "soon", 1e12, True, [1]])
async def test_strange_life_is_bounded(life: Any) -> None:
    server = TokenServer()
    server.life = life
    async with serving(server) as url:
        _, found = await fetch_token(OAuth2(url, "orchestrator", SECRET))
    assert 1 <= found <= 86_400


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500, text=SECRET),
        web.json_response({"error": SECRET * 9, "error_description": SECRET}, status=400),
        web.json_response({"error": "invalid_client", "error_description": SECRET}, status=401),
        web.json_response({"error": "access_denied"}),
        web.json_response([SECRET]),
        web.json_response({}),
        web.json_response({"access_token": 1}),
        web.json_response({"access_token": f"{SECRET}\r\nX: y"}),
        web.json_response({"access_token": f"{SECRET} x"}),
        web.json_response({"access_token": SECRET, "token_type": "mac"}),
        web.json_response({"access_token": "x" * 300_000}),
        web.Response(text="[" * 100_000),
        web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    ],
    ids=range(13),
)
async def test_bad_answer_is_explained_without_its_text(answer: web.Response) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return answer

    async with serving(handle) as url:
        with pytest.raises(TokenError) as caught:
            await fetch_token(OAuth2(url, "orchestrator", SECRET))
    assert SECRET not in str(caught.value)


async def test_unreachable_server_is_explained() -> None:
    with pytest.raises(TokenError, match="Connect"):
        await fetch_token(OAuth2("http://127.0.0.1:1/token", "orchestrator", SECRET))


async def test_token_is_renewed_before_it_ends(tmp_path: Path) -> None:
    secret, server = Secret(tmp_path / "secret"), TokenServer()
    server.life = 1
    async with serving(server) as url, keeping(secret.folder, tmp_path / "peers.json") as kept:
        secret.put([oauth2(url)])
        await kept.until(lambda: kept.header(PEER))
        # A header was there at each look: the next token came before the one before ended.
        while len(server.issued) < 4:
            assert kept.header(PEER)
            await asyncio.sleep(0)
    gaps = [
        after[1] - before[1]
        for before, after in zip(server.issued, server.issued[1:], strict=False)
    ]
    assert max(gaps) < 0.95


async def test_last_good_token_is_kept_while_valid_and_then_taken_back(tmp_path: Path) -> None:
    secret, server = Secret(tmp_path / "secret"), TokenServer()
    server.life = 3
    async with serving(server) as url, keeping(secret.folder, tmp_path / "peers.json") as kept:
        secret.put([oauth2(url)])
        first = await kept.until(lambda: kept.header(PEER))
        issued = time.monotonic()
        server.down = True
        problem = await kept.until(lambda: kept.keeper.problems)
        assert problem[0].reason is Reason.TOKEN_UNAVAILABLE
        assert kept.header(PEER) == first
        # When it has ended it is no longer sent, and the agent knows why.
        await kept.until(lambda: kept.header(PEER) is None)
        assert 2.5 < time.monotonic() - issued < 4
        missing = kept.reader.find(PEER)
        assert missing is not None
        assert url in missing.missing
        server.down = False
        again = await kept.until(lambda: kept.header(PEER))
        assert again != first
        await kept.until(lambda: not kept.keeper.problems)
    assert SECRET not in str(problem)


async def test_change_of_another_entry_asks_for_no_new_token(tmp_path: Path) -> None:
    secret, server = Secret(tmp_path / "secret"), TokenServer()
    async with serving(server) as url, keeping(secret.folder, tmp_path / "peers.json") as kept:
        secret.put([oauth2(url)])
        await kept.until(lambda: kept.header(PEER))
        other = {"prefix": "https://b.example", "bearer": "x"}
        secret.put([other, oauth2(url)])
        await kept.until(lambda: kept.header("https://b.example"))
        assert kept.header(PEER)
        assert server.asked == 1
        # Another client asks anew.
        server.client = "other"
        secret.put([oauth2(url, clientId="other")])
        await kept.until(lambda: kept.header(PEER) == "Bearer t0ken-1-other")
