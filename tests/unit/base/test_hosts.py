"""Which Host headers a sidecar accepts, and what its answers do not reveal."""

import asyncio
import socket
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from hotpeers.base.errors import SettingsError, StatusError
from hotpeers.base.hosts import is_allowed
from hotpeers.base.http import serve
from hotpeers.base.settings import Listen, default_listen
from hotpeers.overview.sidecar import fetch_status
from hotpeers.sidecar.settings import Settings
from hotpeers.sidecar.status.app import make_app
from hotpeers.sidecar.status.document import Status
from hotpeers.sidecar.status.metrics import Metrics

NOW = Status("directory /peers", "/run/peers.json")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8090",
        "10.1.2.3",
        "[::1]:8090",
        "[fe80::1%25eth0]:8090",
        "[2001:db8::7]",
        "localhost:8090",
        "LOCALHOST.",
        "status.localhost:8090",
        "sidecar:8090",
        "agent.team.svc:8090",
        "agent.team.svc.cluster.local",
        "status.example.com",
    ],
)
def test_own_names_are_answered(host: str) -> None:
    assert is_allowed(host, frozenset({"status.example.com"}))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8090",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "svc.evil.example",
        "x.svc.cluster.local.evil.example:8090",
        "notlocalhost.example",
        "[evil.example]:8090",
        "127.0.0.1@evil.example",
        "1.2.3.4.5",
        "",
        ":8090",
    ],
)
def test_names_of_strangers_are_refused(host: str) -> None:
    assert not is_allowed(host, frozenset({"status.example.com"}))


@pytest.mark.parametrize("path", ["/", "/status", "/metrics", "/healthz", "/readyz", "/nothing"])
async def test_request_with_a_foreign_host_gets_no_status(path: str) -> None:
    app = make_app(lambda: NOW, Metrics(), frozenset({"status.example.com"}))
    async with TestClient(TestServer(app)) as client:
        answer = await client.get(path, headers={"Host": "evil.example:8090"})
        assert answer.status == 421
        assert "--allowed-hosts (HOTPEERS_ALLOWED_HOSTS)" in await answer.text()
        assert "/run/peers.json" not in await answer.text()
        for host in ("status.example.com", f"{socket.gethostname()}:8090", "10.0.0.7:8090"):
            answer = await client.get("/status", headers={"Host": host})
            assert answer.status == 200


async def ask(port: int, request: bytes) -> bytes:
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b" 200 "),
        (b"GET /healthz HTTP/1.0\r\n\r\n", b" 200 "),
        (b"GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b" 404 "),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", b" 421 "),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: evil.example\r\nConnection: close\r\n\r\n", b" 4"),
        (b"nonsense\r\n\r\n", b" 400 "),
    ],
)
async def test_no_answer_names_the_version_of_the_server(request_: bytes, status: bytes) -> None:
    async with serve(make_app(lambda: NOW, Metrics()), Listen(host="127.0.0.1", port=0)) as port:
        answer = await ask(port, request_)
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert status in head.partition(b"\r\n")[0]
    assert b"aiohttp" not in answer.lower()
    assert b"python" not in answer.lower()


def test_status_server_listens_on_loopback_outside_of_a_pod() -> None:
    assert default_listen({}) == "127.0.0.1:8090"
    assert default_listen({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}) == ":8090"


@pytest.mark.parametrize("name", ["http://a", "a:8090", "a_b-", "ä.example"])
def test_allowed_host_must_be_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="HOTPEERS_ALLOWED_HOSTS"):
        settings(tmp_path, allowed_hosts=name)


def test_allowed_hosts_are_a_list(tmp_path: Path) -> None:
    found = settings(tmp_path, allowed_hosts="A.example, b.example")
    assert found.allowed_hosts == {"a.example", "b.example"}


def settings(folder: Path, **fields: str) -> Settings:
    needed = dict.fromkeys(("ack_dir", "selector", "namespaces", "orchestrator", "listen"), "")
    return Settings.parse(
        source="directory",
        peers_dir=str(folder),
        peer_file=str(folder / "run" / "peers.json"),
        log_format="text",
        log_level="info",
        **{**needed, **fields},
    )


async def test_error_names_the_unknown_host() -> None:
    # By a proxy of the operator, say, that passes its own name on.
    app = make_app(lambda: NOW, Metrics())

    async def renamed(request: web.Request) -> web.StreamResponse:
        async with ClientSession() as session:
            address = f"http://127.0.0.1:{port}{request.path}"
            async with session.get(address, headers={"Host": "proxy.example"}) as answer:
                return web.Response(status=answer.status, body=await answer.read())

    proxy = web.Application()
    proxy.router.add_get("/status", renamed)
    here = Listen(host="127.0.0.1", port=0)
    async with serve(app, here) as port, serve(proxy, here) as other:
        with pytest.raises(
            StatusError, match=r"'proxy\.example' is not known here.*--allowed-hosts"
        ):
            await asyncio.to_thread(fetch_status, f"http://127.0.0.1:{other}")
