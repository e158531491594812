"""A site over a world without a cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from hotpeers.console.app import Site
from hotpeers.console.records import (
    read_peer_record,
    read_policy_record,
    read_spawned_record,
)
from hotpeers.console.reviews import User
from hotpeers.console.rights import Rights
from hotpeers.console.sessions import Sessions
from hotpeers.console.world import World
from hotpeers.kube.errors import KubeError
from hotpeers.overview.summary import read_orchestrator
from kit.apiserver.client import Object
from kit.apiserver.resources import orchestrator, peer
from kit.console.objects import policy, spawned, status_of

READERS = {
    "orchestrators": read_orchestrator,
    "peers": read_peer_record,
    "agents": read_spawned_record,
    "policies": read_policy_record,
}
TOKENS = {
    "of-admin": User("admin", groups=("admins",)),
    "of-team": User("team-member", extra=(("scopes", ("a",)),)),
}


@dataclass
class Scene:
    """A world, whose objects are put as they are in the cluster, and who may see what."""

    world: World = field(default_factory=World)
    allowed: dict[str, set[str]] = field(
        default_factory=lambda: {"admin": {""}, "team-member": {"team"}}
    )
    asked: list[tuple[str, str]] = field(default_factory=list)
    tokens: dict[str, User] = field(default_factory=lambda: dict(TOKENS))
    reviewed: list[str] = field(default_factory=list)
    error: KubeError | None = None

    def put(self, kind: str, *objects: Object) -> None:
        for one in objects:
            record: Any = READERS[kind](one)
            before = next(
                (
                    it
                    for it in self.world._shelves.get(record.key.namespace, _NONE)
                    .kinds.get(kind, {})
                    .values()
                    if it.key == record.key
                ),
                None,
            )
            self.world.note(kind, before, record)

    def show(self, namespace: str, name: str, status: Object) -> None:
        self.put("orchestrators", {**orchestrator(namespace, name), "status": status})

    async def may_list(self, user: User, namespace: str) -> bool:
        self.asked.append((user.name, namespace))
        if self.error is not None:
            raise self.error
        return namespace in self.allowed.get(user.name, ())

    async def review(self, token: str) -> User | None:
        self.reviewed.append(token)
        if self.error is not None:
            raise self.error
        return self.tokens.get(token)

    def site(self, clock: Callable[[], float] = time.monotonic, **more: Any) -> Site:
        """A site whose sessions and rights grow old by `clock`."""
        return Site(
            self.world,
            self.review,
            Rights(self.may_list, self.world.namespaces, clock),
            audience="hotpeers-console",
            sessions=Sessions(clock),
            **more,
        )


class Clock:
    """A clock that is set by hand."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class _Shelfless:
    kinds: dict[str, dict[Any, Any]] = {}


_NONE = _Shelfless()


@pytest.fixture
def scene() -> Scene:
    """Two namespaces: `team` and `other`."""
    found = Scene()
    found.show("team", "lead", status_of(["team/weather", "other/news"]))
    found.show("other", "secret-lead", status_of(["other/news"]))
    found.put("peers", peer("team", "weather"), peer("other", "news"))
    found.put("agents", spawned("team", "helper", "team/lead"))
    found.put("policies", policy("team", "helpers", "lead"), policy("other", "hidden", "x"))
    return found


@pytest.fixture
def empty() -> Scene:
    """A cluster with no object of ours."""
    return Scene()


@pytest.fixture
async def browser(scene: Scene) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of a site that follows no redirects and keeps cookies."""
    async with TestClient(TestServer(scene.site().app())) as client:
        yield client


@pytest.fixture
async def publishing(scene: Any) -> Any:
    task = asyncio.create_task(scene.world.publish())
    yield
    task.cancel()
