"""TLS with a certificate that is replaced while it serves."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hotpeers.base.errors import CertificateError, ListenError
from hotpeers.base.settings import Listen
from hotpeers.controller.port.tls import ServingCertificate, serve_tls
from kit.apiserver.certificates import Authority

SECONDS = 60.0


class Scene:
    """A server with one handler, which waits for an event."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.certificate = ServingCertificate()
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self.app = web.Application(client_max_size=1000)
        self.app.router.add_post("/", self._handle)
        self.port = 0

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked.set()
        await self.go.wait()
        return web.Response(body=body)

    def show(self, name: str) -> None:
        certificate, key = self.authority.server(name)
        self.certificate.replace(certificate.read_bytes(), key.read_bytes())

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        listen = Listen(host="127.0.0.1", port=0)
        async with serve_tls(self.app, listen, self.certificate, finish=SECONDS) as self.port:
            yield

    def client(self, **bounds: ssl.TLSVersion) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.file))
        for name, version in bounds.items():
            setattr(context, name, version)
        return context

    async def shown(self, context: ssl.SSLContext, host: str = "localhost") -> str:
        """The common name of the certificate that a new connection gets."""

        def connect() -> str:
            plain = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
            with plain, context.wrap_socket(plain, server_hostname=host) as secure:
                found = secure.getpeercert() or {}
                return str(dict(pair[0] for pair in found["subject"])["commonName"])

        return await asyncio.to_thread(connect)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(tmp_path)
    async with made.serving():
        yield made


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
# An IP address is not a server name: a client that connects to one sends no SNI.
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_new_connections_are_shown_the_newest(
    scene: Scene, version: ssl.TLSVersion, host: str
) -> None:
    client = scene.client(minimum_version=version, maximum_version=version)
    for name in ("first", "second"):
        scene.show(name)
        assert await scene.shown(client, host) == name


async def test_open_connection_survives_a_replaced_certificate(scene: Scene) -> None:
    scene.show("first")
    scene.go.set()
    connector = aiohttp.TCPConnector(ssl=scene.client(), limit=1)
    async with aiohttp.ClientSession(f"https://localhost:{scene.port}", connector=connector) as one:
        for name in ("second", "third"):
            async with one.post("/", data=b"x") as answer:
                assert await answer.read() == b"x"
            scene.show(name)


async def test_connection_fails_before_a_certificate_exists(scene: Scene) -> None:
    assert not scene.certificate.present
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await scene.shown(scene.client())


async def test_older_versions_of_tls_are_refused(scene: Scene) -> None:
    # No client of today can be told to speak one.
    assert scene.certificate.context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_bad_pair_keeps_the_previous_certificate(scene: Scene) -> None:
    scene.show("first")
    certificate, _ = scene.authority.server("second")
    raw = certificate.read_bytes()
    other, locked = ec.generate_private_key(ec.SECP256R1()), serialization.BestAvailableEncryption
    form = serialization.PrivateFormat.PKCS8
    keys = [
        b"",
        b"none",
        other.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()),
        other.private_bytes(serialization.Encoding.PEM, form, locked(b"secret")),
        rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, form, serialization.NoEncryption()
        ),
    ]
    for key in keys:
        with pytest.raises(CertificateError, match="cannot be used"):
            scene.certificate.replace(raw, key)
    with pytest.raises(CertificateError):
        scene.certificate.replace(b"", b"")
    assert await scene.shown(scene.client()) == "first"


async def test_request_in_flight_is_answered_at_shutdown(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.show("first")
    connector = aiohttp.TCPConnector(ssl=scene.client())
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask() -> bytes:
            url = f"https://localhost:{scene.port}/"
            async with session.post(url, data=b"slow") as answer:
                return await answer.read()

        async with scene.serving():
            asking = asyncio.create_task(ask())
            await asyncio.wait_for(scene.asked.wait(), SECONDS)
            asyncio.get_running_loop().call_later(0.05, scene.go.set)
        assert await asking == b"slow"
        with pytest.raises(aiohttp.ClientConnectionError):
            await ask()


async def test_a_body_is_bounded(scene: Scene) -> None:
    scene.show("first")
    connector = aiohttp.TCPConnector(ssl=scene.client())
    async with aiohttp.ClientSession(connector=connector) as session:
        url = f"https://localhost:{scene.port}/"
        async with session.post(url, data=b"x" * 2000) as answer:
            assert answer.status == 413


async def test_a_port_that_is_taken_is_named(scene: Scene) -> None:
    listen = Listen(host="127.0.0.1", port=scene.port)
    with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{scene.port}"):
        async with serve_tls(scene.app, listen, scene.certificate, finish=1):
            pass
