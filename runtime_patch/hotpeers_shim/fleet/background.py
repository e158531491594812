"""The threads for work that takes too long for an event loop: looking through 10,000 peers."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_THREADS = 2
_lock = threading.Lock()
_pool: tuple[int, ThreadPoolExecutor] | None = None


async def in_background(work: Callable[[], T]) -> T:
    """The result of `work`, which runs in another thread. Raises what `work` raises.

    The threads are few and our own: work that waits must not occupy those of the agent.
    """
    return await asyncio.get_running_loop().run_in_executor(_threads(), work)


def _threads() -> ThreadPoolExecutor:
    global _pool  # noqa: PLW0603 - one per process
    with _lock:
        # The threads of a parent process do not exist in a forked child.
        if _pool is None or _pool[0] != os.getpid():
            _pool = os.getpid(), ThreadPoolExecutor(_THREADS, thread_name_prefix="hotpeers-fleet")
        return _pool[1]
