"""Calls with what the operator gives to a peer's address: the credential file beside the peer file."""

import asyncio
from collections.abc import Iterator

import pytest
from harness import peer
from loaded import PEER_FILE
from scripted import call

from hotpeers_shim.contract.credentials import Credential, dump_credential_file
from hotpeers_shim.contract.prefixes import parse_prefix

NAME = "team__NS__weather"
FILE = PEER_FILE.with_name("credentials.json")


def give(*credentials: Credential) -> None:
    temporary = FILE.with_name("next-credentials")
    temporary.write_bytes(dump_credential_file(credentials))
    temporary.replace(FILE)


@pytest.fixture(autouse=True)
def no_credentials() -> Iterator[None]:
    yield
    give()


async def sent(server, conversation, text):
    talk = conversation()
    await talk.turn("go", call(NAME, f"echo {text}"))
    return server.requests(f"echo {text}")[-1]["headers"]


async def test_call_has_the_header_of_its_prefix(peers, server, conversation, runtime):
    peers.write(peer("weather", server))
    give(Credential(parse_prefix(server.url), {"Authorization": "Bearer of-the-operator"}))
    assert (await sent(server, conversation, "first"))["authorization"] == "Bearer of-the-operator"
    # A new token is used by the next call, by the client that is there.
    give(Credential(parse_prefix(server.url), {"X-Api-Key": "new"}))
    headers = await sent(server, conversation, "second")
    assert headers["x-api-key"] == "new"
    assert "authorization" not in headers


async def test_call_of_another_address_has_none(peers, server, conversation, runtime):
    peers.write(peer("weather", server))
    elsewhere = [
        server.url.replace("127.0.0.1", "localhost"),
        f"{server.url}/team",
        server.url.replace("http:", "https:"),
    ]
    give(*[Credential(parse_prefix(url), {"X-Api-Key": "secret"}) for url in elsewhere])
    assert "x-api-key" not in await sent(server, conversation, "elsewhere")


async def test_model_hears_why_a_call_has_no_token(peers, server, conversation, runtime):
    peers.write(peer("weather", server))
    prefix = parse_prefix(server.url)
    give(Credential(prefix, missing="http://idp: it answers with HTTP status 401, invalid_client"))
    talk = conversation()
    turn = asyncio.create_task(talk.turn("go", call(NAME, "echo unsent")))
    result = str(await asyncio.wait_for(turn, 60))
    assert "invalid_client" in result
    assert not server.requests("echo unsent")


async def test_token_that_comes_in_a_moment_is_waited_for(peers, server, conversation, runtime):
    peers.write(peer("weather", server))
    prefix = parse_prefix(server.url)
    give(Credential(prefix, missing="its first OAuth2 token has been asked for"))
    later = asyncio.get_running_loop().call_later(
        0.5, give, Credential(prefix, {"X-Api-Key": "come"})
    )
    assert (await sent(server, conversation, "late"))["x-api-key"] == "come"
    later.cancel()
