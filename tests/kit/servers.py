"""Real servers of a peer and of an authorization server, and a Secret as kubelet mounts it."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web

from kit.cards import CARD


class Secret:
    """The folder of a Secret: kubelet replaces all of its files at once, by renaming a link."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self._versions = itertools.count()
        self.file = folder / "credentials.yaml"

    def put(self, files: Mapping[str, str | bytes]) -> None:
        version = self.folder / f"..{next(self._versions)}"
        version.mkdir()
        for name, content in files.items():
            raw = content.encode() if isinstance(content, str) else content
            (version / name).write_bytes(raw)
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(Path("..data") / name)
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self.folder / "..data")


@asynccontextmanager
async def serving(
    app: web.Application, context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    scheme = "https" if context else "http"
    try:
        yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def server_context(
    authority: trustme.CA, clients: trustme.CA | None = None, name: str = "127.0.0.1"
) -> ssl.SSLContext:
    """TLS of a server; with `clients` it asks for a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class PeerServer:
    """A server that notes each request, and wants one of `accepted` where that is not empty."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.certificates: list[Any] = []
        self.accepted: set[str] = set()
        self.refused = 0
        self.release = asyncio.Event()
        self.app = web.Application(client_max_size=64 * 2**20)
        self.app.router.add_route("*", "/{path:.*}", self._answer)

    def headers(self, path: str) -> list[dict[str, str]]:
        return [headers for one, headers in self.seen if one == path]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.path
        self.seen.append((path, dict(request.headers)))
        if request.transport is not None:
            self.certificates.append(request.transport.get_extra_info("peercert"))
        if self.accepted and request.headers.get("Authorization") not in self.accepted:
            self.refused += 1
            return web.json_response({"error": "who are you"}, status=401)
        if to := request.query.get("redirect"):
            return web.Response(status=307, headers={"Location": to})
        if path.endswith("agent-card.json"):
            url = f"{request.scheme}://{request.host}/team/a2a"
            way = {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
            return web.json_response(CARD | {"supportedInterfaces": [way]})
        if path.endswith("/stream"):
            return await self._stream(request)
        body = await request.read()
        return web.Response(body=body or b"{}", content_type="application/json")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await self.release.wait()
        await response.write(b"data: 2\n\n")
        return response


class TokenServer:
    """An authorization server: client credentials, tokens that live `life` seconds."""

    def __init__(self, life: float = 3600.0) -> None:
        self.life: Any = life
        self.secrets = {"agent": "client-s3cret"}
        self.forms: list[dict[str, str]] = []
        self.tokens: list[tuple[float, str]] = []
        self.down = False
        self.answer: web.Response | None = None
        self._numbers = itertools.count(1)
        self.app = web.Application()
        self.app.router.add_post("/token", self._token)

    def valid(self) -> set[str]:
        """The Authorization values that a resource server would accept now."""
        now = time.monotonic()
        return {f"Bearer {token}" for until, token in self.tokens if now < until}

    async def _token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.forms.append(form)
        if self.answer is not None:
            return self.answer
        if self.down:
            text = f"bad: {form} {request.headers.get('Authorization')}"
            return web.json_response(
                {"error": "temporarily_unavailable", "error_description": text}, status=503
            )
        if form.get("grant_type") != "client_credentials" or not self._knows(request, form):
            return web.json_response({"error": "invalid_client"}, status=401)
        token = f"t0ken-{next(self._numbers)}"
        self.tokens.append((time.monotonic() + float(self.life or 3600), token))
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.life}
        return web.json_response({name: value for name, value in answer.items() if value})

    def _knows(self, request: web.Request, form: dict[str, str]) -> bool:
        if "client_id" in form:
            return self.secrets.get(form["client_id"]) == form.get("client_secret")
        import aiohttp

        auth = aiohttp.BasicAuth.decode(request.headers.get("Authorization", ""))
        return self.secrets.get(auth.login) == auth.password
