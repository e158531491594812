"""When an answer of the API server is asked for again, and how long it is used."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hotpeers.console import cached_answer as module
from hotpeers.console.cached_answer import KEPT_SECONDS, OLDEST_SECONDS, RETRY_SECONDS, CachedAnswer
from hotpeers.kube.errors import KubeError, ServerError


class Api:
    """Counts questions; the answer is their number, or `error`."""

    number = 0
    error: KubeError | None = None

    async def ask(self) -> int:
        self.number += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return self.number


async def test_answer_is_used_until_it_is_old(clock: Any) -> None:
    api, cached = Api(), CachedAnswer[int](clock)
    assert await cached.get(api.ask) == 1
    clock.now += KEPT_SECONDS - 1
    assert await cached.get(api.ask) == 1
    clock.now += 1
    assert await cached.get(api.ask) == 2


async def test_given_answer_is_as_good(clock: Any) -> None:
    api, cached = Api(), CachedAnswer[int](clock)
    cached.put(7)
    assert await cached.get(api.ask) == 7
    clock.now += KEPT_SECONDS
    assert await cached.get(api.ask) == 1


async def test_many_share_one_question(clock: Any) -> None:
    api, cached = Api(), CachedAnswer[int](clock)
    assert await asyncio.gather(*(cached.get(api.ask) for _ in range(50))) == [1] * 50
    api.error = ServerError("down", 500)
    clock.now += OLDEST_SECONDS
    found = await asyncio.gather(*(cached.get(api.ask) for _ in range(50)), return_exceptions=True)
    assert {str(one) for one in found} == {"down"}
    assert api.number == 2


async def test_failure_is_followed_by_a_pause(clock: Any) -> None:
    api, cached = Api(), CachedAnswer[int](clock)
    api.error = ServerError("down", 500)
    for _ in range(3):
        with pytest.raises(ServerError, match="down"):
            await cached.get(api.ask)
    assert api.number == 1
    api.error = None
    clock.now += RETRY_SECONDS
    assert await cached.get(api.ask) == 2


async def test_those_who_wait_are_cancelled_and_others_get_the_answer(clock: Any) -> None:
    api, cached = Api(), CachedAnswer[int](clock)
    task = asyncio.create_task(cached.get(api.ask))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await cached.get(api.ask) == 1


async def test_api_server_that_hangs_delays_only_those_who_have_no_answer(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    cached, answered = CachedAnswer[int](clock), asyncio.Event()

    async def hang() -> int:
        await answered.wait()
        return 2

    cached.put(1)
    clock.now += KEPT_SECONDS
    assert await asyncio.gather(*(cached.get(hang) for _ in range(3))) == [1, 1, 1]
    clock.now += OLDEST_SECONDS - KEPT_SECONDS
    last = asyncio.create_task(cached.get(hang))
    await asyncio.sleep(0.05)
    assert not last.done()
    clock.now -= 1
    answered.set()
    # The question of the first ones is still the only one.
    assert await last == 2
    clock.now += KEPT_SECONDS
    assert await cached.get(hang) == 2


async def test_error_of_ours_is_not_hidden(clock: Any) -> None:
    async def fail() -> int:
        raise ZeroDivisionError

    cached = CachedAnswer[int](clock)
    cached.put(1)
    clock.now += KEPT_SECONDS
    with pytest.raises(ZeroDivisionError):
        await cached.get(fail)
