"""The passes over all objects of some kinds."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from hotpeers.base.problems import Problem
from hotpeers.base.scope import State
from hotpeers.controller import reconciler as module
from hotpeers.controller.reasons import ControllerReason
from hotpeers.controller.reconciler import Reconciler
from kit.controller.scene import running
from kit.waiting import until_async


class Watched:
    """A watched kind that does what a test tells it."""

    def __init__(self, *args: Any, changed: Callable[[], None], **_: Any) -> None:
        self.title = f"scope {args[3]}"
        self.change = changed
        self.listed = False
        self.state = State.FOLLOWING
        self.problem: Problem | None = None

    def status(self) -> Watched:
        return self

    async def follow(self) -> None:
        await asyncio.Event().wait()

    def list(self) -> None:
        self.listed = True
        self.change()


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Scope", Watched)


class Passes:
    """Counts passes; a pass lasts until `go` is set."""

    def __init__(self, resync: float = 60.0) -> None:
        self.count = self.at_once = self.most = 0
        self.go = asyncio.Event()
        self.go.set()
        self.reconciler: Reconciler[str] = Reconciler("test", self, resync=resync, gather=0.02)
        self.scopes: list[Any] = [self.reconciler.watch(None, None) for _ in range(2)]  # type: ignore[arg-type]

    async def __call__(self) -> None:
        self.count += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.go.wait()
        self.at_once -= 1


def problem(name: str) -> Problem:
    return Problem(name, ControllerReason.ORCHESTRATOR_FAILED, "it failed")


async def test_no_pass_before_every_kind_was_listed() -> None:
    passes = Passes()
    async with running(passes.reconciler.run()):
        passes.scopes[0].list()
        await asyncio.sleep(0.1)
        assert passes.count == 0
        passes.scopes[1].list()
        await until_async("a pass", lambda: passes.count == 1)


async def test_burst_of_changes_is_one_pass_and_a_change_during_a_pass_another_one() -> None:
    passes = Passes()
    passes.go.clear()
    async with running(passes.reconciler.run()):
        for scope in passes.scopes * 100:
            scope.list()
        await until_async("the first pass", lambda: passes.count == 1)
        passes.scopes[0].change()
        await asyncio.sleep(0.1)
        assert passes.count == 1
        passes.go.set()
        await until_async("the second pass", lambda: passes.count == 2)
        await asyncio.sleep(0.1)
        assert (passes.count, passes.most) == (2, 1)


async def test_pass_without_changes_comes_after_the_resync_period_or_as_asked_for() -> None:
    passes = Passes(resync=0.1)
    async with running(passes.reconciler.run()):
        for scope in passes.scopes:
            scope.list()
        await until_async("the third pass", lambda: passes.count == 3)
    slow = Passes(resync=60.0)
    slow.reconciler.requeue(0.1)
    for scope in slow.scopes:
        scope.listed = True
    async with running(slow.reconciler.run()):
        await until_async("the pass that was asked for", lambda: slow.count == 1)
        await asyncio.sleep(0.3)
        assert slow.count == 1


async def test_object_that_fails_rests_and_the_others_go_on() -> None:
    reconciler: Reconciler[str] = Passes().reconciler
    done: list[str] = []

    async def bring(name: str) -> None:
        await asyncio.sleep(0)
        if name == "bad":
            reconciler.fail(name, problem(name))
        else:
            done.append(name)

    await reconciler.each(partial(bring, name) for name in ("a", "bad", "b"))
    assert sorted(done) == ["a", "b"]
    assert [one.where for one in reconciler.problems()] == ["bad"]
    assert (reconciler.rests("bad"), reconciler.rests("a")) == (True, False)
    # It is tried again after the rest, and its failure is known until that succeeds.
    reconciler.fail("bad", problem("bad"), seconds=0.0)
    assert not reconciler.rests("bad")
    reconciler.keep(["bad"])
    assert reconciler.problems()
    reconciler.succeed("bad")
    assert not reconciler.problems()


async def test_failures_of_deleted_objects_are_forgotten() -> None:
    reconciler: Reconciler[str] = Passes().reconciler
    for name in "ab":
        reconciler.fail(name, problem(name))
    reconciler.keep({"b"})
    assert [one.where for one in reconciler.problems()] == ["b"]


async def test_work_for_many_objects_is_bounded() -> None:
    reconciler: Reconciler[str] = Passes().reconciler
    running_now = most = 0

    async def work() -> None:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await asyncio.sleep(0.001)
        running_now -= 1

    await reconciler.each(work for _ in range(50))
    assert most == 4


async def test_work_that_is_cancelled_before_it_began_leaves_no_warning() -> None:
    reconciler: Reconciler[str] = Passes().reconciler
    for_ever = asyncio.Event().wait
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await reconciler.each(partial(bring_when, for_ever) for _ in range(50))
    gc.collect()


async def bring_when(ready: Callable[[], Awaitable[Any]]) -> None:
    await ready()


async def test_watch_that_does_not_work_is_a_problem_and_known() -> None:
    passes = Passes()
    assert passes.reconciler.up_to_date
    passes.scopes[1].problem = problem("scope")
    passes.scopes[1].state = State.RETRYING
    assert not passes.reconciler.up_to_date
    assert passes.reconciler.problems() == (problem("scope"),)


async def test_bug_in_a_pass_is_not_hidden() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    reconciler: Reconciler[str] = Reconciler("test", fails, resync=0.01, gather=0.0)
    with pytest.raises(ExceptionGroup) as error:
        await reconciler.run()
    assert error.group_contains(ZeroDivisionError)
