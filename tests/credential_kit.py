"""Real servers that ask for credentials: a peer, over TLS too, and an OAuth2 token endpoint."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import trustme
from aiohttp import web

from hotpeers.credentials.keeper import CredentialKeeper
from hotpeers_shim.adapters.credentials import CredentialTransport
from hotpeers_shim.adapters.transport import PeerTransport
from hotpeers_shim.credentials import CredentialReader

SECONDS = 20.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[str]:
    """A server on a free port of the loopback interface."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass
class Seen:
    """A peer that answers those who have the right header, and keeps what it saw."""

    header: str = "Authorization"
    accepts: set[str] = field(default_factory=set)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    refused: int = 0
    certificates: list[str] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path_qs, dict(request.headers)))
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert")
        if peer:
            self.certificates.append(json.dumps(peer["subject"]))
        if self.accepts and request.headers.get(self.header) not in self.accepts:
            self.refused += 1
            return web.Response(status=401)
        return web.json_response({"path": request.path_qs, "body": await request.text()})

    def values(self, name: str = "Authorization") -> list[str | None]:
        """The values of a header, one for each request."""
        return [headers.get(name) for _, headers in self.requests]


class TokenServer:
    """An OAuth2 token endpoint for client credentials (RFC 6749, sections 4.4, 5.1 and 5.2)."""

    def __init__(self, client: str = "orchestrator", secret: str = "s3cret-of-client") -> None:
        self.client, self.secret = client, secret
        self.life: Any = 3600
        self.down = False
        self.issued: list[tuple[str, float]] = []
        self.forms: list[dict[str, list[str]]] = []
        self.asked = 0
        self.on_issue: Callable[[str], None] = lambda _: None

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.down:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        form = parse_qs(await request.text())
        self.forms.append(form)
        if request.method != "POST" or form.get("grant_type") != ["client_credentials"]:
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        if self._client(request, form) != (self.client, self.secret):
            echoed = {"error": "invalid_client", "error_description": f"not {self.secret}"}
            return web.json_response(echoed, status=401)
        token = f"t0ken-{len(self.issued)}-{self.client}"
        self.issued.append((token, time.monotonic()))
        self.on_issue(token)
        answer = {"access_token": token, "token_type": "bearer"}
        if self.life is not None:
            answer["expires_in"] = self.life
        return web.json_response(answer)

    @staticmethod
    def _client(request: web.Request, form: dict[str, list[str]]) -> tuple[str, str]:
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            name, _, secret = base64.b64decode(value).decode().partition(":")
            return name, secret
        return form.get("client_id", [""])[0], form.get("client_secret", [""])[0]


class Authority:
    """A certificate authority, and what it issues."""

    def __init__(self) -> None:
        self.ca = trustme.CA()

    @property
    def pem(self) -> str:
        return self.ca.cert_pem.bytes().decode()

    def server(self, *, clients: Authority | None = None) -> ssl.SSLContext:
        """The context of a server that shows a certificate, and asks for one of `clients`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        if clients is not None:
            clients.ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name: str = "orchestrator@team") -> tuple[str, str]:
        """A client certificate and its private key, in PEM."""
        made = self.ca.issue_cert(name, common_name=name)
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        return chain.decode(), made.private_key_pem.bytes().decode()


class Secret:
    """A Secret as kubelet mounts it: `..data` links to a folder with all files of one version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._version = 0

    def put(self, document: Any, **files: str) -> None:
        """Replace all keys at once; `__` in the name of a file is a dot."""
        self._version += 1
        version = self.folder / f"..v{self._version}"
        version.mkdir()
        text = document if isinstance(document, str) else json.dumps({"credentials": document})
        files = {"credentials__yaml": text, **files}
        for key, value in files.items():
            (version / key.replace("__", ".")).write_text(value)
        link = self.folder / "..next"
        link.symlink_to(version.name)
        link.replace(self.folder / "..data")
        for key in files:
            name = self.folder / key.replace("__", ".")
            if not name.is_symlink():
                name.symlink_to(f"..data/{name.name}")


class Direct:
    """Connections without a proxy, as the pool makes them."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._transport = httpx.AsyncHTTPTransport(verify=context)

    def choose(self, _: httpx.URL) -> httpx.AsyncBaseTransport:
        return self._transport

    async def aclose(self) -> None:
        await self._transport.aclose()


def client(reader: CredentialReader) -> httpx.AsyncClient:
    """An HTTP client as the shim has: the limits above the credentials."""
    below = CredentialTransport(reader, lambda tls: Direct(tls()), httpx.Limits())
    transport = PeerTransport(
        lambda _: below, below.aclose, reply_bytes=64 * 2**20, line_bytes=2**20
    )
    return httpx.AsyncClient(transport=transport, timeout=SECONDS)


class Keeping:
    """A keeper that runs, and a bounded wait for what it should come to."""

    def __init__(self, document: Path, peer_file: Path) -> None:
        self._changed = asyncio.Event()
        self.keeper = CredentialKeeper(document, peer_file, self._changed.set)
        self.reader = CredentialReader(peer_file)

    async def until(self, condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
        async with asyncio.timeout(seconds):
            while not (found := condition()):
                # Its own changes, and the time, which a condition may ask for.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await self._changed.wait()
                self._changed.clear()
        return found

    def header(self, url: str, name: str = "Authorization") -> str | None:
        found = self.reader.find(url)
        return found.headers.get(name) if found else None


@contextlib.asynccontextmanager
async def keeping(document: Path, peer_file: Path) -> AsyncIterator[Keeping]:
    """A keeper beside a peer file, as long as the block runs."""
    made = Keeping(document, peer_file)
    task = asyncio.create_task(made.keeper.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
