"""The console on a real API server: its rights suffice, users see what RBAC allows, changes arrive."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from hotpeers.console.runner import Console, serve_console
from hotpeers.console.settings import ConsoleSettings
from kit.apiserver.client import read_yaml
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.resources import install_crd, peer
from kit.apiserver.server import Cluster
from kit.chart.rendering import K8S
from kit.console.objects import policy, show, spawned, status_of
from kit.console.process import AUDIENCE, console_account, token_for, user


@pytest.fixture
def places(cluster: Cluster, crds: list[str], namespace: str) -> Iterator[tuple[str, str]]:
    """Two namespaces with an orchestrator each; the first has one of each kind."""
    install_crd(cluster.api, K8S / "crds" / "spawnpolicies.hotpeers.dev.yaml")
    other = f"{namespace}-other"
    create_namespace(cluster.api, other)
    show(cluster.api, namespace, "lead", status_of([f"{namespace}/weather"]))
    show(cluster.api, other, "secret-lead", status_of([]))
    for manifest in (
        peer(namespace, "weather"),
        policy(namespace, "helpers", "lead"),
        spawned(namespace, "helper", f"{namespace}/lead"),
    ):
        cluster.api.create(manifest)
    yield namespace, other
    remove_namespace(cluster.api, other)


@pytest.fixture
async def running(cluster: Cluster, places: tuple[str, str]) -> AsyncIterator[Console]:
    """A console with the rights of its manifest."""
    account = console_account(cluster)
    settings = ConsoleSettings.parse(
        listen="127.0.0.1:0",
        health_listen="127.0.0.1:0",
        audience=AUDIENCE,
        public_url="",
        allowed_hosts="",
        trusted_proxies="",
        kubeconfig=str(account.kubeconfig()),
        context="",
    )
    async with serve_console(settings) as running:
        async with asyncio.timeout(30):
            while not running.watch.complete:
                await asyncio.sleep(0.02)
        assert running.watch.problems() == ()
        yield running


@pytest.fixture
def console(running: Console) -> str:
    """Its URL."""
    return f"http://127.0.0.1:{running.port}"


@asynccontextmanager
async def signed_in(url: str, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(url, cookie_jar=jar) as session:
        async with session.post("/sign-in", data={"token": token}) as answer:
            assert answer.status == 200, await answer.text()
        yield session


async def text_of(session: aiohttp.ClientSession, path: str) -> str:
    async with session.get(path) as answer:
        return re.sub(r"</span><wbr>", "", await answer.text())


async def test_user_sees_the_namespaces_in_which_he_may_list(
    cluster: Cluster, console: str, places: tuple[str, str]
) -> None:
    own, other = places
    some = await asyncio.to_thread(user, cluster, "some", [own])
    async with signed_in(console, token_for(some)) as session:
        assert f"{own}/lead" in await text_of(session, "/")
        assert f"{own}/weather" in await text_of(session, "/peers")
        assert f"{own}/helper" in await text_of(session, "/spawned")
        assert f"{own}/</span>helpers" in await text_of(session, "/policies")
        for path in ("/", "/peers", "/picture", "/spawned", "/policies"):
            assert "secret-lead" not in await text_of(session, path)
        async with session.get(f"/orchestrators/{other}/secret-lead") as answer:
            assert answer.status == 404


async def test_user_with_a_right_in_the_whole_cluster_sees_all(
    cluster: Cluster, console: str, places: tuple[str, str]
) -> None:
    everyone = await asyncio.to_thread(user, cluster, "everyone", ["*"])
    async with signed_in(console, token_for(everyone)) as session:
        body = await text_of(session, "/")
        assert "secret-lead" in body
        assert f"{places[0]}/lead" in body


@pytest.mark.parametrize("audience", ["https://kubernetes.default.svc.cluster.local", "another"])
async def test_token_of_another_audience_is_refused(
    cluster: Cluster, console: str, audience: str
) -> None:
    token = token_for(user(cluster, "some", []), audience)
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{console}/sign-in", data={"token": token}) as answer,
    ):
        assert answer.status == 403


async def test_change_reaches_a_page_at_once(
    cluster: Cluster, console: str, places: tuple[str, str]
) -> None:
    some = await asyncio.to_thread(user, cluster, "some", [places[0]])
    async with signed_in(console, token_for(some)) as session:
        found = re.search(r'data-version="([^"]*)"', await text_of(session, "/peers"))
        assert found
        async with session.get("/events", params={"since": found[1]}) as stream:
            await asyncio.to_thread(cluster.api.create, peer(places[0], "brand-new"))
            async with asyncio.timeout(10):
                while b"event: change" not in await stream.content.readline():
                    pass
                assert "brand-new" in await text_of(session, "/peers")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server is asked again after moments, and its failure is tolerated for a second."""
    monkeypatch.setattr("hotpeers.console.cached_answer.KEPT_SECONDS", 0.2)
    monkeypatch.setattr("hotpeers.console.cached_answer.RETRY_SECONDS", 0.1)
    monkeypatch.setattr("hotpeers.console.cached_answer.OLDEST_SECONDS", 1.0)


async def status_of_page(session: aiohttp.ClientSession, path: str = "/") -> int:
    async with session.get(path, allow_redirects=False) as answer:
        return answer.status


async def test_session_ends_with_its_service_account(
    cluster: Cluster, console: str, places: tuple[str, str], impatient: None
) -> None:
    """The API server itself accepts the token of a deleted account for up to 10 more seconds."""
    account = await asyncio.to_thread(user, cluster, "leaver", [places[0]])
    async with signed_in(console, token_for(account)) as session:
        assert await status_of_page(session) == 200
        await asyncio.to_thread(account.delete)
        async with asyncio.timeout(30):
            while await status_of_page(session) == 200:
                await asyncio.sleep(0.2)
        assert await status_of_page(session) == 303


async def test_right_that_is_removed_hides_the_namespace(
    cluster: Cluster, console: str, places: tuple[str, str], impatient: None
) -> None:
    account = await asyncio.to_thread(user, cluster, "mover", list(places))
    page = f"/orchestrators/{places[1]}/secret-lead"
    async with signed_in(console, token_for(account)) as session:
        assert await status_of_page(session, page) == 200
        bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{places[1]}/rolebindings"
        await asyncio.to_thread(cluster.api.request, "DELETE", bindings)
        async with asyncio.timeout(10):
            while await status_of_page(session, page) == 200:
                await asyncio.sleep(0.1)
        assert await status_of_page(session, page) == 404
        assert "secret-lead" not in await text_of(session, "/")
        assert "lead" in await text_of(session, "/")


async def test_outage_of_the_api_server_hides_pages_only_in_the_end(
    cluster: Cluster,
    running: Console,
    console: str,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everyone = await asyncio.to_thread(user, cluster, "everyone", ["*"])
    async with signed_in(console, token_for(everyone)) as session:
        assert await status_of_page(session) == 200
        reached = running._client._connection.configuration.host
        monkeypatch.setattr(
            running._client._connection.configuration, "host", "https://127.0.0.1:1"
        )
        await asyncio.sleep(0.3)
        assert await status_of_page(session) == 200
        async with asyncio.timeout(10):
            while await status_of_page(session) == 200:
                await asyncio.sleep(0.1)
        assert await status_of_page(session) == 503
        async with session.get(f"http://127.0.0.1:{running.health_port}/metrics") as answer:
            metrics = await answer.text()
        assert "hotpeers_console_sessions 1.0" in metrics
        assert re.search(r'api_failures_total\{request="TokenReview"\} [1-9]', metrics)
        monkeypatch.setattr(running._client._connection.configuration, "host", reached)
        async with asyncio.timeout(10):
            while await status_of_page(session) != 200:
                await asyncio.sleep(0.1)


READ = ("list", "watch")
NEEDED = {
    *((verb, "hotpeers.dev", kind) for verb in READ for kind in ("orchestrators", "peers", "spawnpolicies")),
    *((verb, group, "agents") for verb in READ for group in ("kagent.dev", "api.kagent.dev")),
    ("create", "authentication.k8s.io", "tokenreviews"),
    ("create", "authorization.k8s.io", "subjectaccessreviews"),
    ("get", "apiextensions.k8s.io", "customresourcedefinitions"),
}  # fmt: skip


def test_rights_are_exactly_the_needed_ones() -> None:

    (role,) = (it for it in read_yaml(K8S / "rbac/console.yaml") if it["kind"] == "ClusterRole")
    given: set[Any] = {
        (verb, group, kind)
        for one in role["rules"]
        for verb in one["verbs"]
        for group in one["apiGroups"]
        for kind in one["resources"]
    }
    assert given == NEEDED
    assert all(one.get("resourceNames") for one in role["rules"] if "get" in one["verbs"])


async def test_pages_do_not_hang_with_the_api_server(
    cluster: Cluster,
    running: Console,
    console: str,
    places: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hotpeers.console.cached_answer.KEPT_SECONDS", 0.0)
    some = await asyncio.to_thread(user, cluster, "some", [places[0]])
    async with signed_in(console, token_for(some)) as session:
        assert f"{places[0]}/lead" in await text_of(session, "/")
        cluster.server.signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            for path in ("/", "/peers"):
                assert places[0] in await text_of(session, path)
                print(f"{path}: {time.monotonic() - began:.2f} s")
            # Both pages came while the first questions were still open.
            failures = re.findall(
                rb"^hotpeers_console_api_failures_total.* (\S+)$",
                running.metrics.text(),
                re.MULTILINE,
            )
            assert failures == [b"0.0", b"0.0"]
        finally:
            await asyncio.to_thread(cluster.start)
