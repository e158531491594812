"""Shared by the tests of the controller on a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hotpeers.kube.client import Client
from hotpeers.kube.connection import Access, connect
from kit.apiserver.client import Api, ApiError, Object


@asynccontextmanager
async def client_of(kubeconfig: Path, kind: type[Client] = Client) -> AsyncIterator[Client]:
    """A client of the product."""
    access = Access(str(kubeconfig))
    async with kind(access, await connect(access)) as client:
        yield client


@asynccontextmanager
async def running(*works: Coroutine[Any, Any, Any]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Tasks that run meanwhile. Raises the exception of a task that ended by itself."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield tasks
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()
    finally:
        await ended(*tasks)


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait for them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def read(api: Api, path: str) -> Object | None:
    """An object; None if it is missing."""
    try:
        return api.request("GET", path)
    except ApiError as error:
        if error.status != 404:
            raise
        return None
