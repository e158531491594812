"""Requests: what comes back, and that nothing but `KubeError` ever goes wrong."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hotpeers.base.errors import ConnectionConfigError
from hotpeers.kube import errors
from hotpeers.kube.client import Client
from hotpeers.kube.connection import Access, connect
from hotpeers.kube.listwatch import Batch, list_pages, watch_batches
from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.kubeconfig import NOWHERE, write_kubeconfig
from kit.apiserver.server import Cluster

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def client_of(
    handler: Handler, folder: Path, user: dict[str, str] | None = None
) -> AsyncIterator[Client]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url(""))
        access = Access(str(write_kubeconfig(folder / "kubeconfig", url, user=user)))
        async with Client(access, await connect(access)) as client:
            yield client


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.KubeError),
        (401, errors.UnauthorizedError),
        (403, errors.ForbiddenError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (410, errors.GoneError),
        (429, errors.BusyError),
        (500, errors.ServerError),
        (503, errors.ServerError),
    ],
)
async def test_status_is_an_error_of_ours(
    status: int, kind: type[errors.KubeError], tmp_path: Path
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(
            {"kind": "Status", "message": "no \x00way"}, status=status, headers={"Retry-After": "7"}
        )

    async with client_of(handler, tmp_path) as client:
        with pytest.raises(kind) as caught:
            await client.get("/api")
        assert type(caught.value) is kind
        assert (caught.value.status, caught.value.retry_after) == (status, 7.0)
        assert str(caught.value) == "no way"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"<html>"])
async def test_malformed_answer_raises_kube_error(body: bytes, tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body)

    async with client_of(handler, tmp_path) as client:
        with pytest.raises(errors.KubeError):
            await client.get("/api")
        with pytest.raises(errors.KubeError):
            [page async for page in list_pages(client, "/api", {})]


async def test_library_errors_are_wrapped_in_kube_errors(tmp_path: Path) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with client_of(cut, tmp_path) as client:
        with pytest.raises(errors.UnreachableError) as caught:
            await client.get("/api")
        assert caught.value.__cause__ is not None
    access = Access(str(write_kubeconfig(tmp_path / "kubeconfig", NOWHERE)))
    async with Client(access, await connect(access)) as client:
        with pytest.raises(errors.UnreachableError, match=r"127\.0\.0\.1:9: Connect call failed"):
            await client.get("/api")
    bad = {"token": "a\nb"}
    access = Access(str(write_kubeconfig(tmp_path / "kubeconfig", NOWHERE, user=bad)))
    async with Client(access, await connect(access)) as client:
        with pytest.raises(errors.KubeError):
            await client.get("/api")


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (TimeoutError(), errors.SilentError),
        (OSError("x"), errors.UnreachableError),
        (ssl.SSLError("x"), errors.UnreachableError),
        (EOFError(), errors.UnreachableError),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "x"), errors.KubeError),
    ],
)
def test_library_errors_are_translated(raised: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught, errors.translated():
        raise raised
    assert caught.value.__cause__ is raised


async def test_no_password_is_read_from_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ~/.netrc, which is for other programs."""
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({})

    async with client_of(handler, tmp_path) as client:
        await client.get("/api")
    assert seen == [None]


async def test_new_token_is_read_at_401(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")

    async def handler(request: web.Request) -> web.Response:
        good = request.headers["Authorization"] == "Bearer new"
        return web.json_response({}, status=200 if good else 401)

    async with client_of(handler, tmp_path, {"tokenFile": str(token)}) as client:
        with pytest.raises(errors.UnauthorizedError):
            await client.get("/api")
        token.write_text("new\n")
        assert await client.get("/api") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no such file"),
        ("{", "--kubeconfig"),
        ("[]", "--kubeconfig"),
        ("current-context: x", "--kubeconfig"),
    ],
)
async def test_bad_kubeconfig_raises_a_clear_error(
    text: str | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConnectionConfigError, match=message):
        await connect(Access(str(path)))


async def test_service_account_of_a_pod(
    cluster: Cluster,
    namespace: str,
    service_account: Callable[..., ServiceAccount],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = service_account(namespace, "sidecar", [rule("", "services", "list")])
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(cluster.port))
    access = Access(service_account=account.folder)
    assert access.in_cluster
    path = f"/api/v1/namespaces/{namespace}/services"
    async with Client(access, await connect(access)) as client:
        assert client.namespace == namespace
        assert (await client.get(path))["kind"] == "ServiceList"
        with pytest.raises(errors.ForbiddenError, match="cannot list resource"):
            await client.get("/api/v1/services")
        await asyncio.to_thread(cluster.replace_signing_key)
        with pytest.raises(errors.UnauthorizedError):
            await client.get(path)
        account.renew()
        assert (await client.get(path))["kind"] == "ServiceList"


# -- the protocol


async def stream(request: web.Request, *lines: object) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for line in lines:
        await response.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
    await response.write_eof()
    return response


def event(kind: str, version: str, **metadata: object) -> dict[str, object]:
    return {"type": kind, "object": {"metadata": {"resourceVersion": version, **metadata}}}


async def watched(client: Client, seen: list[Batch] | None = None) -> list[Batch]:
    batches = [] if seen is None else seen
    async for batch in watch_batches(client, "/w", {}, "1"):
        batches.append(batch)
    return batches


async def test_watch_sends_its_parameters_and_yields_events(tmp_path: Path) -> None:
    asked: dict[str, str] = {}
    added = event("ADDED", "5", name="a")

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.update(request.query)
        raw = json.dumps(added).encode() + b"\n"
        return await stream(request, raw[:20], raw[20:], event("BOOKMARK", "9"))

    async with client_of(handler, tmp_path) as client:
        batches = await watched(client)
    assert asked.pop("timeoutSeconds") in {"18", "19", "20", "21", "22"}
    assert asked == {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": "1"}
    assert batches[0] == Batch([], "")
    assert [item.data for batch in batches for item in batch.events] == [added["object"]]
    assert batches[-1].version == "9"


async def test_events_before_an_error_count(tmp_path: Path) -> None:
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}

    async def handler(request: web.Request) -> web.StreamResponse:
        return await stream(request, b"%s\n%s\n" % (
            json.dumps(event("ADDED", "5", name="a")).encode(), json.dumps(gone).encode()
        ))  # fmt: skip

    seen: list[Batch] = []
    async with client_of(handler, tmp_path) as client:
        with pytest.raises(errors.GoneError, match="too old"):
            await watched(client, seen)
    assert [len(batch.events) for batch in seen] == [0, 1]


@pytest.mark.parametrize(
    "line", [b"not json\n", b"[]\n", b"{}\n", b'{"type": 1}\n', b"[" * 100_000 + b"\n", b'{"type"']
)
async def test_malformed_event_line_raises_kube_error(line: bytes, tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await stream(request, line)

    async with client_of(handler, tmp_path) as client:
        with pytest.raises(errors.KubeError):
            await watched(client)


async def test_list_follows_the_continue_token(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        start = int(request.query["continue"] or 0)
        metadata = {"resourceVersion": "7", "continue": str(start + 1) if start < 2 else ""}
        return web.json_response({"metadata": metadata, "items": [start]})

    async with client_of(handler, tmp_path) as client:
        pages = [page async for page in list_pages(client, "/l", {"labelSelector": "a=b"})]
    assert [page.items for page in pages] == [[0], [1], [2]]
    assert [page.last for page in pages] == [False, False, True]
