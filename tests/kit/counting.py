"""Counting the calls of a method: what a test waits for where nothing else is to happen."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass
class Calls:
    """The calls that have ended since the counting began."""

    count: int = 0


def count_calls(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Calls:
    """Count the calls of `owner.name`, which may be a coroutine function, until the test ends.

    A call counts once it has returned, so that what it does is done.
    """
    calls = Calls()
    method = getattr(owner, name)

    @functools.wraps(method)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        result = await method(*args, **kwargs)
        calls.count += 1
        return result

    @functools.wraps(method)
    def called(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        calls.count += 1
        return result

    monkeypatch.setattr(owner, name, awaited if inspect.iscoroutinefunction(method) else called)
    return calls
