"""gRPC channels take headers and authorities of the credential file."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import trustme
from delivered import deliver, entry
from loaded import PEER_FILE

from hotpeers_shim.calls.channel import CertificateNeeded, open_channel
from hotpeers_shim.contract.credentials import Credential
from hotpeers_shim.contract.prefixes import parse_prefix
from hotpeers_shim.credentials import CredentialReader

grpc = pytest.importorskip("grpc", reason="lacks: gRPC, which takes the package grpcio")
LIMIT = 2**20


@pytest.fixture(autouse=True)
def taken_back() -> Iterator[None]:
    yield
    deliver()


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
