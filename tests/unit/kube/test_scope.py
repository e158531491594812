"""One kind that is followed, on a server whose watches hear of nothing."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hotpeers.kube.client import Client
from hotpeers.kube.connection import Access, connect
from hotpeers.kube.informer.kind import Kind, Version
from hotpeers.kube.informer.scope import RESYNC_SECONDS, Scope
from kit.apiserver.kubeconfig import write_kubeconfig
from kit.waiting import until_async

WATCH_SECONDS = 20.0
KIND = Kind("Service", "", "services", (Version("v1", lambda data: data["metadata"]["name"]),))


class Deaf:
    """An API server with one Service and a fake clock: a watch lasts, and sends no event."""

    def __init__(self) -> None:
        self.name = "before"
        self.now = 0.0
        self.lists: list[float] = []
        self.watches = 0
        self.listed_twice = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            self.watches += 1
            self.now += WATCH_SECONDS
            self.name = "after"
            return web.Response(body=b"")
        self.lists.append(self.now)
        if len(self.lists) > 1:
            self.listed_twice.set()
        metadata: dict[str, Any] = {"name": self.name, "namespace": "here", "uid": self.name}
        metadata["resourceVersion"] = "1"
        return web.json_response(
            {"metadata": {"resourceVersion": "1"}, "items": [{"metadata": metadata}]}
        )


async def test_lost_event_is_recovered_by_the_list_every_ten_minutes(
    tmp_path: Path,
) -> None:
    deaf = Deaf()
    told: list[list[str]] = []
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", deaf.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url(""))
        access = Access(str(write_kubeconfig(tmp_path / "kubeconfig", url)))
        async with Client(access, await connect(access)) as client:
            scope = Scope(
                client,
                KIND,
                "here",
                {},
                changed=lambda: told.append(list(scope.store.values())),
                restarted=lambda reason: told.append([reason]),
                clock=lambda: deaf.now,
            )
            following = asyncio.create_task(scope.follow())
            async with asyncio.timeout(60):
                await deaf.listed_twice.wait()
            await until_async("two changes", lambda: len(told) >= 2)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    assert told == [["before"], ["after"]]
    first, second = deaf.lists[:2]
    assert first == 0.0
    assert RESYNC_SECONDS == 600.0
    assert 0.8 * RESYNC_SECONDS <= second <= 1.2 * RESYNC_SECONDS + WATCH_SECONDS


class Later:
    """An API server that lacks a kind, and serves it after a number of lists. It checks rights first."""

    def __init__(self, *, allowed: bool, lacks: int) -> None:
        self.allowed = allowed
        self.lacks = lacks
        self.over = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path in ("/apis/a.example", "/apis/a.example/v1"):
            if self.lacks >= 0:
                return web.json_response({}, status=404)
            kinds = {"versions": [{"version": "v1"}], "resources": [{"name": "things"}]}
            return web.json_response(kinds)
        if request.query.get("watch"):
            await self.over.wait()
        elif request.path.endswith("/things"):
            self.lacks -= 1
            if self.lacks < 0:
                return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})
            return web.json_response({}, status=404 if self.allowed else 403)
        return web.json_response({}, status=404)


@pytest.mark.parametrize("allowed", [True, False])
async def test_kind_that_is_not_installed_is_asked_for_less_and_less_and_no_problem(
    allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def no_wait(seconds: float) -> float:
        pauses.append(seconds)
        return 0.0

    monkeypatch.setattr("hotpeers.kube.informer.scope._jittered", no_wait)
    later = Later(allowed=allowed, lacks=6)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", later.answer)
    kind = Kind("Thing", "a.example", "things", (Version("v1", lambda data: data),))
    problems = []
    async with TestServer(app, host="127.0.0.1") as server:
        access = Access(str(write_kubeconfig(tmp_path / "kubeconfig", str(server.make_url("")))))
        async with Client(access, await connect(access)) as client:
            scope = Scope(
                client,
                kind,
                "",
                {},
                changed=lambda: problems.append(scope.problem),
                restarted=lambda _: None,
            )
            following = asyncio.create_task(scope.follow())
            await until_async("the kind", lambda: scope.status().version == "1")
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            later.over.set()
    assert pauses == [4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert not any(problems)
