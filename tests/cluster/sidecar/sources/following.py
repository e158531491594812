"""A source that is followed in the background, and waits for what it should say."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from hotpeers.base.scope import State
from hotpeers.kube.client import Client
from hotpeers.kube.connection import Access, connect
from hotpeers.model.snapshot import Snapshot
from hotpeers.sidecar.sources import Source
from hotpeers.sidecar.sources.kubernetes import KubernetesSource
from kit.apiserver.accounts import rule
from kit.waiting import until_async

SECONDS = 60.0
SELECTOR = "hotpeers.dev/peer=true"
LABELS = {"hotpeers.dev/peer": "true"}
EVERYTHING = [
    rule("kagent.dev", "agents", "list watch"),
    rule("api.kagent.dev", "agents", "list watch"),
    rule("hotpeers.dev", "peers", "list watch"),
    rule("", "services", "list watch"),
]
DEFINITIONS = [rule("apiextensions.k8s.io", "customresourcedefinitions", "get")]
"""In the whole cluster: the right to see at once that the Agent of kagent 1.x is not installed."""


class Following:
    """Keeps every snapshot of a source."""

    def __init__(self, source: Source) -> None:
        self.seen: list[Snapshot] = []
        self.source = source
        self._new = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Following":
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        if self._task.done():
            self._task.result()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        async with aclosing(self.source.snapshots()) as snapshots:
            async for snapshot in snapshots:
                async with self._new:
                    self.seen.append(snapshot)
                    self._new.notify_all()

    async def until(
        self, condition: Callable[[Snapshot], bool], seconds: float = SECONDS
    ) -> Snapshot:
        try:
            async with asyncio.timeout(seconds), self._new:
                await self._new.wait_for(lambda: bool(self.seen) and condition(self.seen[-1]))
                return self.seen[-1]
        except TimeoutError:
            last = self.seen[-1] if self.seen else None
            raise AssertionError(f"it did not come true; the last was {last}") from None

    async def watched(self, seconds: float = SECONDS) -> None:
        """Wait until each watch is open: what ends before was none."""
        await until_async(
            "each watch to be open",
            lambda: all(scope.state is not State.STARTING for scope in self.source.scopes()),
            seconds,
        )

    async def restarted(self, count: int, seconds: float = SECONDS) -> None:
        """Wait until watches were cut so often, in all."""
        await until_async(
            f"{count} restarts of watches",
            lambda: sum(scope.restarts for scope in self.source.scopes()) >= count,
            seconds,
        )

    async def names(self, *expected: str, seconds: float = SECONDS) -> Snapshot:
        def there(now: Snapshot) -> bool:
            return now.complete and sorted(item.name for item in now.candidates) == [*expected]

        return await self.until(there, seconds)


Follow = Callable[..., AbstractAsyncContextManager[Following]]


@asynccontextmanager
async def following(
    kubeconfig: Path, namespaces: list[str], **how: Any
) -> AsyncIterator[Following]:
    """The cluster source under a kubeconfig."""
    reach = Access(str(kubeconfig))
    async with Client(reach, await connect(reach)) as client:
        asked = {"selector": SELECTOR, "home": namespaces[0] if namespaces else "", **how}
        async with Following(KubernetesSource(client, namespaces=namespaces, **asked)) as made:
            yield made


def problems(now: Snapshot) -> set[object]:
    """Which reasons a snapshot names."""
    return {problem.reason for problem in now.problems}
