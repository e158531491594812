"""How long a change of a manifest takes to reach the model."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hotpeers.demo.conversation import Conversation
from hotpeers.demo.outcome import Figure, StepError
from hotpeers.demo.processes import until
from hotpeers.demo.scene import SOON, Scene

CHANGES = 20
# A real model is asked for each look, and each look costs.
CHANGES_REAL = 3
_WATCHERS = 3
_LOOK = "Which agents do you have?"


async def measure(scene: Scene) -> list[Figure]:
    """Add and remove a peer again and again, and look at what the model is offered meanwhile.

    What looks are short turns in conversations of their own, one after the other. A change can
    show only in the next request after it, so each time includes the wait for that request.
    """
    changes = CHANGES if scene.scripted else CHANGES_REAL
    first = await scene.count()
    watchers = [
        asyncio.create_task(_watch(scene.stage.caller.conversation), name=f"watcher {index}")
        for index in range(_WATCHERS if scene.scripted else 1)
    ]
    added, removed = [], []
    try:
        for number in range(changes):
            name = f"extra-{number + 1}"
            added.append(await _change(scene, watchers, name, present=True))
            removed.append(await _change(scene, watchers, name, present=False))
    finally:
        for watcher in watchers:
            watcher.cancel()
        for watcher in watchers:
            with suppress(asyncio.CancelledError, StepError):
                await watcher
    requests = await scene.stage.requests(first)
    gap = _median_gap([float(entry["time"]) for entry in requests])
    return [
        _figure("added → offered", added, gap),
        _figure("removed → no longer offered", removed, gap),
    ]


async def _watch(converse: Any) -> None:
    while True:
        talk: Conversation = converse()
        turn = await talk.say(_LOOK)
        if not turn.completed:
            raise StepError("every turn to complete while peers change", turn.text)


async def _change(
    scene: Scene, watchers: Sequence["asyncio.Task[None]"], name: str, *, present: bool
) -> float:
    """Make one change and return the seconds until the first model request that shows it."""
    stage, tool = scene.stage, scene.stage.tool(name)
    before = await scene.count()
    changed = time.time()
    if present:
        stage.add_peer(name, of="news")
    else:
        stage.remove_peer(name)

    async def shown() -> float | None:
        for watcher in watchers:
            if watcher.done():
                watcher.result()
        for entry in await stage.requests(before):
            if entry["time"] >= changed and (tool in entry["tools"]) == present:
                return float(entry["time"]) - changed
        return None

    word = "offered" if present else "no longer offered"
    return await until(f"{tool} to be {word}", shown, SOON)


def _median_gap(times: Sequence[float]) -> float:
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return statistics.median(gaps) if gaps else 0.0


def _figure(name: str, seconds: Sequence[float], gap: float) -> Figure:
    return Figure(
        name=name,
        count=len(seconds),
        p50_ms=round(statistics.median(seconds) * 1000, 1),
        max_ms=round(max(seconds) * 1000, 1),
        resolution_ms=round(gap * 1000, 1),
    )
