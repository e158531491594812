"""Counts the invocations of agents as turns, because they may continue after the answer was sent.

`Runner.run_async` and `Runner.run_live` are async generators in google-adk 1.16 to 2.13. A
generator that is closed early, or dropped, ends its turn too.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from .. import turns

_Run = Callable[..., AsyncGenerator[Any, Any]]


def hook_runs(runner: Any) -> None:
    """Wrap the methods of `Runner` that run an agent.

    Raises AttributeError if `run_async` is missing or is not an async generator.
    """
    found = [name for name in ("run_async", "run_live") if _is_known(runner, name)]
    if "run_async" not in found:
        raise AttributeError("Runner.run_async is no async generator")
    for name in found:
        setattr(runner, name, _counted(getattr(runner, name)))


def _is_known(runner: Any, name: str) -> bool:
    method = getattr(runner, name, None)
    return method is not None and inspect.isasyncgenfunction(inspect.unwrap(method))


def _counted(original: _Run) -> _Run:
    @functools.wraps(original)
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        hold = turns.get().begin(turns.current.get())
        try:
            async with aclosing(original(*args, **kwargs)) as events:
                async for event in events:
                    yield event
        finally:
            hold.end()

    return run
