"""The relay: it calls only the prefixes of its certificates, and only for callers with its key."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from hotpeers.sidecar.credentials import relay as module
from hotpeers.sidecar.credentials.document import CertificatePart, _context
from hotpeers.sidecar.credentials.grant import Grant
from hotpeers.sidecar.credentials.relay import Relay
from hotpeers_shim.contract.credentials import RELAY_FAULT, RELAY_KEY, RELAY_TARGET
from hotpeers_shim.contract.prefixes import longest, parse_prefix
from kit.servers import PeerServer, server_context, serving
from kit.waiting import until_async


class Scene:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers, self.clients = trustme.CA(), trustme.CA()
        self.peer = PeerServer()
        self.grants: list[Grant] = []
        self.relay = Relay(lambda url: longest(self.grants, url))
        self.http = httpx.AsyncClient(timeout=30)
        self.url = ""

    def grant(self, prefix: str, name: str = "agent.example") -> Grant:
        leaf = self.clients.issue_cert(name)
        leaf.cert_chain_pems[0].write_to_path(self.folder / f"{name}.crt")
        leaf.private_key_pem.write_to_path(self.folder / f"{name}.key")
        part = CertificatePart(certificate=f"{name}.crt", key=f"{name}.key")
        context = _context(self.servers.cert_pem.bytes().decode(), part, self.folder, "")
        return Grant(parse_prefix(prefix), context=context, has_certificate=True)

    def headers(self, **changed: str) -> dict[str, str]:
        return {RELAY_KEY: self.relay.key, RELAY_TARGET: self.url, **changed}

    async def call(self, path: str = "/team/x", **changed: Any) -> httpx.Response:
        headers = self.headers() | changed.pop("headers", {})
        return await self.http.post(f"{self.relay.url}{path}", headers=headers, **changed)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with make_scene(tmp_path) as made:
        yield made


@asynccontextmanager
async def make_scene(folder: Path) -> AsyncIterator[Scene]:
    made = Scene(folder)
    context = server_context(made.servers, made.clients)
    async with serving(made.peer.app, context) as made.url, made.relay, made.http:
        made.grants.append(made.grant(f"{made.url}/team"))
        await made.relay.start()
        yield made


async def test_call_is_sent_with_the_certificate_and_without_our_headers(scene: Scene) -> None:
    headers = {"Authorization": "Bearer t", "Connection": "X-Hop", "X-Hop": "1", "TE": "trailers"}
    answer = await scene.call("/team/x?a=%20b", headers=headers, content=b'{"a": 1}')
    assert answer.json() == {"a": 1}
    subject = dict(part[0] for part in scene.peer.certificates[0]["subject"])
    assert subject
    ((path, seen),) = scene.peer.seen
    assert path == "/team/x"
    lower = {name.lower(): value for name, value in seen.items()}
    assert lower["authorization"] == "Bearer t"
    assert not {RELAY_KEY, RELAY_TARGET, "x-hop", "te"} & lower.keys()
    assert lower["host"] == scene.url.removeprefix("https://")


@pytest.mark.parametrize("key", ["", "wrong", "\u00e9"])
async def test_who_does_not_know_the_key_gets_nothing(scene: Scene, key: str) -> None:
    answer = await scene.call(headers={RELAY_KEY: key.encode()})
    assert answer.status_code == 403
    assert not scene.peer.seen
    assert scene.relay.key not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/teams/x",
        "/other",
        "/team/../other",
        "/team/%2e%2e/other",
        "/team/..%2fother",
        "/team;/x",
    ],
)
async def test_path_outside_of_the_prefix_is_refused(scene: Scene, path: str) -> None:
    # httpx would resolve the dots: as bytes, as an attacker would send it.
    host, port = scene.relay.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = "".join(f"{name}: {value}\r\n" for name, value in scene.headers(Host="x").items())
    writer.write(f"GET {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 404", b"HTTP/1.1 400")), answer
    assert not scene.peer.seen


@pytest.mark.parametrize("path", ["http://127.0.0.1:9/team/x", "//127.0.0.1:9/team/x", "*"])
async def test_form_of_a_proxy_is_refused(scene: Scene, path: str) -> None:
    host, port = scene.relay.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = "".join(f"{name}: {value}\r\n" for name, value in scene.headers(Host="x").items())
    writer.write(f"GET {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert answer.split()[1][:1] == b"4", answer
    assert not scene.peer.seen


@pytest.mark.parametrize(
    "target",
    [
        "",
        "http://127.0.0.1:9",
        "https://evil.example",
        "https://127.0.0.1@evil.example",
        "URL/team",
        "URL/",
        "URL#",
        "URL@evil.example",
        "x",
    ],
)
async def test_other_origin_is_refused(scene: Scene, target: str) -> None:
    target = target.replace("URL", scene.url)
    answer = await scene.call(headers={RELAY_TARGET: target})
    # With a slash or a fragment it is the origin itself, and the prefix decides.
    if target.removesuffix("/").removesuffix("#") != scene.url:
        assert answer.status_code in (400, 403)
        assert not scene.peer.seen


async def test_longer_prefix_without_a_certificate_is_not_called_with_one(scene: Scene) -> None:
    scene.grants.append(Grant(parse_prefix(f"{scene.url}/team/open")))
    assert (await scene.call("/team/open/x")).status_code == 403
    assert (await scene.call("/team/opened")).status_code == 200


async def test_redirect_is_passed_on_and_not_followed(scene: Scene) -> None:
    answer = await scene.call("/team/x?redirect=http://127.0.0.1:9/evil")
    assert answer.status_code == 307
    assert answer.headers["location"] == "http://127.0.0.1:9/evil"
    assert len(scene.peer.seen) == 1


async def test_stream_is_forwarded_without_buffering(scene: Scene) -> None:
    url = f"{scene.relay.url}/team/stream"
    async with (
        asyncio.timeout(30),
        scene.http.stream("POST", url, headers=scene.headers()) as answer,
    ):
        lines = answer.aiter_lines()
        assert await anext(lines) == "data: 1"
        scene.peer.release.set()
        assert [line async for line in lines if line] == ["data: 2"]


async def test_new_certificate_is_used_while_a_stream_continues_on_the_old(
    scene: Scene,
) -> None:
    url = f"{scene.relay.url}/team/stream"
    async with (
        asyncio.timeout(30),
        scene.http.stream("POST", url, headers=scene.headers()) as answer,
    ):
        lines = answer.aiter_lines()
        await anext(lines)
        scene.grants[:] = [scene.grant(f"{scene.url}/team", "next.example")]
        assert scene.grants[0].context is not None
        await scene.relay.keep({scene.grants[0].context})
        assert (await scene.call()).status_code == 200
        names = [str(one["subjectAltName"]) for one in scene.peer.certificates]
        assert "agent.example" in names[0]
        assert "next.example" in names[1]
        scene.peer.release.set()
        assert [line async for line in lines if line] == ["data: 2"]


async def test_too_large_a_request_or_an_answer_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await scene.call(content=b"x" * (module.MAX_REQUEST_BYTES + 1))
    assert answer.status_code == 413
    monkeypatch.setattr(module, "MAX_RESPONSE_BYTES", 1000)
    with contextlib.suppress(httpx.HTTPError):
        # A partial body is not taken for the whole answer.
        answer = await scene.call(content=b"x" * 1001)
        raise AssertionError(answer)
    with contextlib.suppress(httpx.HTTPError):
        long = await scene.call(headers={f"X-{n}": "x" * 8000 for n in range(3)})
        assert long.status_code in (200, 400)
    long = await scene.call(headers={"X-Long": "x" * 20_000})
    assert long.status_code == 400


async def test_relay_fault_differs_from_an_error_of_the_peer(
    scene: Scene,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        down = f"https://127.0.0.1:{taken.getsockname()[1]}"
        scene.grants.append(scene.grant(down))
        answer = await scene.call("/x", headers={RELAY_TARGET: down})
    assert answer.status_code == 503
    assert "refused" in answer.headers[RELAY_FAULT].lower()
    async with serving(PeerServer().app, server_context(trustme.CA())) as foreign:
        scene.grants.append(scene.grant(foreign))
        answer = await scene.call("/x", headers={RELAY_TARGET: foreign})
    assert answer.status_code == 502
    assert "not trusted" in answer.headers[RELAY_FAULT]
    scene.peer.accepted.add("nobody")
    answer = await scene.call()
    assert answer.status_code == 401
    assert RELAY_FAULT not in answer.headers


async def test_disconnected_caller_ends_its_upstream_call(scene: Scene) -> None:
    url = f"{scene.relay.url}/team/stream"
    async with asyncio.timeout(30):
        async with scene.http.stream("POST", url, headers=scene.headers()) as answer:
            await anext(answer.aiter_lines())
        await scene.http.aclose()
        upstream = next(iter(scene.relay._upstreams.values()))
    await until_async("the call to end", lambda: not upstream.users)
