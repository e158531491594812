"""The proxy of the tests: each way in which it lets a connection go bad."""

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPSConnection

import pytest

from kit.apiserver.client import Access
from kit.apiserver.proxy import Proxy
from kit.apiserver.server import Cluster

SECONDS = 0.5
BROKEN = (ConnectionError, ssl.SSLEOFError)
"""What a reset looks like, depending on whether TLS or the socket notices."""


@pytest.fixture
def connection(cluster: Cluster, proxy: Proxy) -> Iterator[HTTPSConnection]:
    """A connection through the proxy that has worked."""
    tls = Access(proxy.url, cluster.authority, certificate=cluster.access.certificate).context()
    made = HTTPSConnection("127.0.0.1", proxy.port, timeout=10, context=tls)
    assert get(made) == 200
    yield made
    made.close()


def get(connection: HTTPSConnection) -> int:
    connection.request("GET", "/readyz")
    response = connection.getresponse()
    response.read()
    return response.status


def test_black_hole_neither_answers_nor_closes(proxy: Proxy, connection: HTTPSConnection) -> None:
    proxy.black_hole()
    connection.sock.settimeout(SECONDS)
    with pytest.raises(TimeoutError):
        get(connection)
    assert proxy.connections == 1


def test_black_hole_swallows_new_connections_until_it_heals(
    cluster: Cluster, proxy: Proxy, connection: HTTPSConnection
) -> None:
    proxy.black_hole()
    tls = cluster.access.context()
    with pytest.raises(TimeoutError):
        get(HTTPSConnection("127.0.0.1", proxy.port, timeout=SECONDS, context=tls))
    proxy.heal()
    assert get(connection) == 200


def test_forgotten_connection_leads_nowhere_and_new_ones_are_served(
    cluster: Cluster, proxy: Proxy, connection: HTTPSConnection
) -> None:
    proxy.forget()
    connection.sock.settimeout(SECONDS)
    with pytest.raises(TimeoutError):
        get(connection)
    assert proxy.connections == 1
    tls = cluster.access.context()
    fresh = HTTPSConnection("127.0.0.1", proxy.port, timeout=10, context=tls)
    assert get(fresh) == 200
    fresh.close()


def test_cut_resets_connections_and_accepts_new_ones(
    proxy: Proxy, connection: HTTPSConnection
) -> None:
    proxy.cut()
    with pytest.raises(BROKEN):
        get(connection)
    connection.close()
    assert get(connection) == 200
    assert proxy.accepted == 2


def test_refuse_accepts_no_connection_until_healed(
    proxy: Proxy, connection: HTTPSConnection
) -> None:
    proxy.refuse()
    with pytest.raises(BROKEN):
        get(connection)
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        get(connection)
    connection.close()
    proxy.heal()
    assert get(connection) == 200


def test_large_answers_pass_whole(proxy: Proxy, connection: HTTPSConnection) -> None:
    def size(path: str) -> int:
        connection.request("GET", path)
        return len(connection.getresponse().read())

    assert size("/openapi/v2") > 1_000_000


def test_server_that_ends_ends_the_connection(
    cluster: Cluster, proxy: Proxy, connection: HTTPSConnection
) -> None:
    with ThreadPoolExecutor(1) as other:
        stopped = other.submit(cluster.stop)
        with suppress(OSError):
            while get(connection) in {200, 500}:
                pass
        stopped.result(30)
    assert cluster.server.pid is None
