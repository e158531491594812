"""Credentials for a peer's URL are sent to this peer, by each binding, and to no other peer."""

import asyncio
import ssl
from collections.abc import Iterator

import httpx
import pytest
import trustme
from delivered import deliver, entry
from harness import peer
from loaded import PEER_FILE
from scripted import call, results

from hotpeers_shim.calls.pool import Pool
from hotpeers_shim.contract import Peer
from hotpeers_shim.contract.credentials import Credential
from hotpeers_shim.contract.prefixes import parse_prefix
from hotpeers_shim.settings import Settings

NAME = "team__NS__weather"
OTHER = "team__NS__news"
LIMIT = 2**20


@pytest.fixture(autouse=True)
def delivered() -> Iterator[None]:
    yield
    deliver()


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_header_is_sent_to_the_peer_below_the_prefix_and_follows_the_file(
    peers, server, start_server, conversation, runtime, binding
):
    other = start_server()
    path = "/rest" if binding == "HTTP+JSON" else "/"
    ways = [
        {"url": f"{one.url}{path}", "binding": binding, "protocolVersion": "0.3", "streaming": True}
        for one in (server, other)
    ]
    weather, news = (
        peer(name, one, interfaces=[way])
        for name, one, way in zip(("weather", "news"), (server, other), ways, strict=True)
    )
    peers.write(weather, news)
    talk = conversation()
    for token in ("one", "two"):
        deliver(entry(server.url, token))
        texts = [f"echo {binding} {token} {number}" for number in (1, 2)]
        events = await talk.turn("go", call(NAME, texts[0]), call(OTHER, texts[1]), "end")
        assert [text.split(" [")[0] for text in results(events)] == [
            text.removeprefix("echo ") for text in texts
        ]
        *_, asked = server.requests(texts[0])
        assert asked["headers"]["authorization"] == f"Bearer {token}"
        *_, asked = other.requests(texts[1])
        assert "authorization" not in asked["headers"]


async def test_call_without_its_token_is_not_sent_and_the_model_reads_why(
    peers, server, conversation, runtime
):
    peers.write(peer("weather", server))
    prefix = parse_prefix(server.url)
    deliver(Credential(prefix, missing="https://idp.example: status 401, invalid_client"))
    events = await conversation().turn("go", call(NAME, "echo unsent"), "end")
    assert "invalid_client" in results(events)[0]
    assert not server.requests("echo unsent")


async def test_call_waits_for_a_token_that_is_being_fetched(peers, server, conversation, runtime):
    peers.write(peer("weather", server))
    deliver(Credential(parse_prefix(server.url), missing="its first one was asked for"))
    loop = asyncio.get_running_loop()
    loop.call_later(0.5, deliver, entry(server.url, "come"))
    events = await conversation().turn("go", call(NAME, "echo late"), "end")
    assert results(events)[0].startswith("late")
    assert server.requests("echo late")[-1]["headers"]["authorization"] == "Bearer come"


class Tls:
    """A TLS server that answers each HTTP request with the headers that it was sent."""

    def __init__(self, authority: trustme.CA) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)
        self.url = ""

    async def __aenter__(self) -> "Tls":
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self.context)
        self.url = f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        writer.write(answer % len(head) + head)
        await writer.drain()
        writer.close()


async def test_private_authority_is_trusted_below_its_prefix_only():
    authority = trustme.CA()
    pool = Pool(Settings.read({"HOTPEERS_PEER_FILE": str(PEER_FILE)}))
    async with Tls(authority) as server:
        one = Peer("weather", server.url, "weather")
        ca = authority.cert_pem.bytes().decode()
        deliver(entry(f"{server.url}/team", "s3cret", ca=ca))
        async with pool.lease(one) as client:
            answer = await client.http.get(f"{server.url}/team/x")
            assert "Bearer s3cret" in answer.text
            with pytest.raises(httpx.ConnectError):
                await client.http.get(f"{server.url}/teams")
            # A new bundle, without the old one.
            deliver(
                entry(f"{server.url}/team", "s3cret", ca=trustme.CA().cert_pem.bytes().decode())
            )
            with pytest.raises(httpx.ConnectError):
                await client.http.get(f"{server.url}/team/x")
