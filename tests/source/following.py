"""A source that is followed in the background, and waits for what it should say."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from hotpeers.model.scope import State
from hotpeers.model.snapshot import Snapshot
from hotpeers.source import Source

SECONDS = 20.0


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
        async with asyncio.timeout(seconds):
            while any(scope.state is State.STARTING for scope in self.source.scopes()):
                await asyncio.sleep(0.01)

    async def names(self, *expected: str, seconds: float = SECONDS) -> Snapshot:
        def there(now: Snapshot) -> bool:
            return now.complete and sorted(item.name for item in now.candidates) == [*expected]

        return await self.until(there, seconds)
