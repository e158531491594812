"""What the sidecar delivers for a peer's URL is sent to it, by each binding, and to no other peer."""

import asyncio
import ssl
from collections.abc import Iterator

import grpc
import httpx
import pytest
import trustme
from harness import peer
from loaded import FOLDER, PEER_FILE
from scripted import call, results

from hotpeers_shim.adapters.channel import CertificateNeeded, open_channel
from hotpeers_shim.adapters.pool import Pool
from hotpeers_shim.contract import Peer
from hotpeers_shim.contract.credentials import Credential, dump_credential_file
from hotpeers_shim.contract.prefixes import parse_prefix
from hotpeers_shim.credentials import CredentialReader
from hotpeers_shim.settings import Settings

NAME = "team__NS__weather"
OTHER = "team__NS__news"
LIMIT = 2**20


def deliver(*credentials: Credential) -> None:
    temporary = FOLDER / "credentials.next"
    temporary.write_bytes(dump_credential_file(credentials))
    temporary.replace(FOLDER / "credentials.json")


@pytest.fixture(autouse=True)
def delivered() -> Iterator[None]:
    yield
    deliver()


def entry(url: str, token: str, **more: str) -> Credential:
    return Credential(parse_prefix(url), {"Authorization": f"Bearer {token}"}, **more)


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


async def test_token_that_comes_in_a_moment_is_waited_for(peers, server, conversation, runtime):
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


class Echo(grpc.GenericRpcHandler):
    """A gRPC server's answer to any method: the metadata that it was called with."""

    def service(self, details):
        said = repr(sorted(details.invocation_metadata)).encode()
        if details.method.endswith("Stream"):
            return grpc.unary_stream_rpc_method_handler(lambda *_: iter([said]))
        return grpc.unary_unary_rpc_method_handler(lambda *_: said)


@pytest.mark.parametrize("secure", [True, False])
async def test_grpc_call_carries_the_header_of_the_moment_and_trusts_the_bundle(secure):
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    chain = leaf.cert_chain_pems[0].bytes()
    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Echo()])
    if secure:
        keys = [(leaf.private_key_pem.bytes(), chain)]
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(keys))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    origin = f"{'https' if secure else 'http'}://127.0.0.1:{port}"
    ca = authority.cert_pem.bytes().decode() if secure else ""
    reader = CredentialReader(PEER_FILE)
    deliver(entry(origin, "one", ca=ca))
    url = origin if secure else f"127.0.0.1:{port}"
    channel = open_channel(url, LIMIT, reader)
    try:
        unary, stream = channel.unary_unary("/a.B/Call"), channel.unary_stream("/a.B/Stream")
        metadata = (("x-other", "kept"), ("authorization", "Bearer of-the-user"))
        found = (await unary(b"", metadata=metadata, timeout=30)).decode()
        assert "Bearer one" in found
        assert "of-the-user" not in found
        assert "kept" in found
        deliver(entry(origin, "two", ca=ca))
        assert "Bearer two" in (await stream(b"", timeout=30).read()).decode()
        deliver(Credential(parse_prefix(origin), missing="its server is down", ca=ca))
        for send in (unary(b"", timeout=30), stream(b"", timeout=30).read()):
            with pytest.raises(httpx.ConnectError, match="its server is down"):
                await send
        deliver(entry("https://127.0.0.1:1", "three", ca=ca))
        assert "Bearer" not in (await unary(b"", timeout=30)).decode()
    finally:
        await channel.close()
        server.stop(None)


def test_grpc_peer_that_needs_a_client_certificate_is_refused_with_a_reason():
    deliver(Credential(parse_prefix("https://a.example"), via="http://127.0.0.1:1", key="k"))
    with pytest.raises(CertificateNeeded, match="gRPC"):
        open_channel("https://a.example", LIMIT, CredentialReader(PEER_FILE))
