"""The schedule of turns: few at once, new keys first, no turn for a removed key."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hotpeers.sidecar.cards.schedule import Lane, Schedule
from kit.waiting import until_async


class Work:
    """Records the turns.

    With `hold`, a turn lasts until it is cancelled; otherwise it ends at once.
    """

    def __init__(self, *, hold: bool = False, wait: float = 3600.0) -> None:
        self.begun: list[str] = []
        self.at_once = self.most = 0
        self.wait = wait
        self.gate = asyncio.Event()
        if not hold:
            self.gate.set()

    async def __call__(self, key: str) -> float:
        self.begun.append(key)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        if key == "faulty":
            raise RuntimeError("a fault")
        return self.wait


def schedule(
    work: Callable[[str], Awaitable[float]], at_once: int = 100, gap: float = 0.0
) -> Schedule[str]:
    return Schedule(work, Lane(at_once, gap), Lane(at_once, gap))


async def test_every_key_gets_repeated_turns() -> None:
    work = Work(wait=0.001)
    turns = schedule(work)
    turns.start()
    turns.follow(["a", "b"])
    await until_async(
        "more than three turns of each",
        lambda: work.begun.count("a") > 3 and work.begun.count("b") > 3,
    )
    await turns.stop()


async def test_lane_runs_no_more_keys_than_it_has_places() -> None:
    work = Work(hold=True)
    turns = schedule(work, at_once=3)
    turns.start()
    turns.follow(map(str, range(20)))
    await until_async("three turns at once", lambda: work.at_once == 3)
    work.gate.set()
    await until_async("twenty turns", lambda: len(work.begun) == 20)
    assert work.most == 3
    await turns.stop()


async def test_new_key_does_not_wait_for_the_old_ones() -> None:
    work = Work(wait=0.0)
    turns = Schedule(work, Lane(1, 0.0), Lane(1, 3600.0))
    turns.start()
    turns.follow(["a", "b"])
    await until_async("three turns", lambda: len(work.begun) == 3)
    turns.follow(["a", "b", "c"])
    await until_async("the turn of c", lambda: "c" in work.begun)
    await turns.stop()


async def test_removed_key_gets_no_turn_and_frees_its_place() -> None:
    work = Work(hold=True)
    turns = schedule(work, at_once=1)
    turns.start()
    assert turns.follow(["a", "b"]) == ({"a", "b"}, set())
    await until_async("the turn of a", lambda: work.begun == ["a"])
    assert turns.follow(["b"]) == (set(), {"a"})
    await until_async("the turns of a and b", lambda: work.begun == ["a", "b"])
    await turns.stop()
    assert work.at_once == 0


async def test_key_removed_before_its_turn_frees_its_place() -> None:
    work = Work(hold=True)
    turns = schedule(work, at_once=1)
    turns.start()
    for _ in range(50):
        turns.follow(["a"])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        turns.follow([])
    turns.follow(["b"])
    await until_async("the turn of b", lambda: "b" in work.begun)
    await turns.stop()


async def test_key_that_comes_back_has_one_turn_at_a_time() -> None:
    work = Work(hold=True)
    turns = schedule(work)
    turns.start()
    turns.follow(["a"])
    await until_async("one turn to begin", lambda: work.at_once == 1)
    turns.follow([])
    turns.follow(["a"])
    await until_async("two turns to begin", lambda: len(work.begun) == 2)
    assert work.at_once == 1
    await turns.stop()


async def test_fault_of_one_key_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(wait=0.001)
    turns = schedule(work)
    turns.start()
    turns.follow(["faulty", "fine"])
    await until_async("more than three turns of the fine one", lambda: work.begun.count("fine") > 3)
    assert "reading faulty failed" in caplog.text
    await turns.stop()
