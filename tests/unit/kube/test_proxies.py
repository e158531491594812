"""HTTP proxies between the client and the API server, configured by environment variables."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hotpeers.kube.client import Client
from hotpeers.kube.connection import Access, connect
from hotpeers.kube.errors import UnreachableError
from kit.apiserver.certificates import Authority
from kit.apiserver.kubeconfig import write_kubeconfig

HOST = "kubernetes.default.svc"
"""A name that only the proxy can make anything of, and that the server's certificate is for."""


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the proxy variables of the machine's own environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def named(request: web.Request) -> web.Response:
    """An API server, or a proxy of plain HTTP: answers with URL and Authorization."""
    caller = request.headers.get("Authorization", "")
    return web.json_response({"url": str(request.url), "caller": caller})


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server of plain HTTP, or of TLS."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", named)
    server = TestServer(app, host="127.0.0.1", scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    try:
        assert server.port is not None
        yield server.port
    finally:
        await server.close()


class Tunnel:
    """A proxy that supports only CONNECT, and forwards every connection to one port."""

    def __init__(self, port: int, answer: str = "200 Connection established") -> None:
        self._port = port
        self._answer = answer
        self.heads: list[str] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """The address to name as a proxy."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {self._answer}\r\n\r\n".encode())
        if self._answer.startswith("200"):
            back, onward = await asyncio.open_connection("127.0.0.1", self._port)
            await asyncio.gather(_pass(reader, onward), _pass(back, writer))
        writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def got(kubeconfig: Path) -> dict[str, str]:
    access = Access(str(kubeconfig))
    async with Client(access, await connect(access)) as client:
        found: dict[str, str] = await client.get("/api")
        return found


@pytest.fixture
async def tls_port(authority: Authority) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("api"))
    async with serving(context) as port:
        yield port


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_proxy_of_the_kubeconfig_is_used(tmp_path: Path) -> None:
    async with serving() as proxy:
        path = write_kubeconfig(
            tmp_path / "kubeconfig",
            "http://api.invalid:6443",
            proxy_url=f"http://127.0.0.1:{proxy}",
        )
        assert (await got(path))["url"] == "http://api.invalid:6443/api"


async def test_http_proxy_of_the_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_kubeconfig(tmp_path / "kubeconfig", "http://api.invalid:6443")
    async with serving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy}")
        assert (await got(path))["url"] == "http://api.invalid:6443/api"


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
async def test_https_proxy_is_a_tunnel_that_sees_only_the_address(
    variable: str,
    tmp_path: Path,
    authority: Authority,
    tls_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TLS is spoken with the server, through it: its certificate is asked for, and the token is its."""
    path = write_kubeconfig(
        tmp_path / "kubeconfig",
        f"https://{HOST}:6443",
        user={"token": "secret"},
        certificate_authority=str(authority.file),
    )
    tunnel = Tunnel(tls_port)
    async with tunnel.open() as proxy:
        monkeypatch.setenv(variable, proxy)
        answer = await got(path)
    assert answer == {"url": f"https://{HOST}:6443/api", "caller": "Bearer secret"}
    (head,) = tunnel.heads
    assert head.startswith(f"CONNECT {HOST}:6443 HTTP/1.1\r\n")
    assert "authorization" not in head.lower()
    assert "secret" not in head


async def test_server_behind_a_tunnel_is_verified(
    tmp_path: Path, tls_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    path = write_kubeconfig(
        tmp_path / "kubeconfig",
        f"https://{HOST}:6443",
        certificate_authority=str(Authority(other).file),
    )
    async with Tunnel(tls_port).open() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(UnreachableError, match="certificate"):
            await got(path)


async def test_refused_tunnel_is_an_unreachable_error(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_kubeconfig(
        tmp_path / "kubeconfig",
        f"https://{HOST}:6443",
        certificate_authority=str(authority.file),
    )
    async with Tunnel(0, "403 Forbidden").open() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(UnreachableError, match="403"):
            await got(path)


async def test_hosts_of_no_proxy_are_asked_directly(
    tmp_path: Path, authority: Authority, tls_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_kubeconfig(
        tmp_path / "kubeconfig",
        f"https://127.0.0.1:{tls_port}",
        certificate_authority=str(authority.file),
    )
    tunnel = Tunnel(tls_port)
    async with tunnel.open() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert (await got(path))["url"] == f"https://127.0.0.1:{tls_port}/api"
    assert tunnel.heads == []
