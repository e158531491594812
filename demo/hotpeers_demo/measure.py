"""Measures how long a change of a peer takes to reach the peer file and the model."""

import asyncio
import itertools
import random
import statistics
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from hotpeers_demo.outcome import Figure, StepError
from hotpeers_demo.scene import SOON, Scene

CHANGES = 20
# Each look is a request to a real model, which costs money; or the machine is slow.
CHANGES_FEW = 3
_SLOW = 3.0
_LOOK = "Which agents do you have?"
_FILE_LOOK = 0.001


@dataclass
class _Series:
    """The seconds that each change of one kind took."""

    to_file: list[float] = field(default_factory=list)
    to_model: list[float] = field(default_factory=list)


async def measure(scene: Scene) -> list[Figure]:
    """Add and remove a peer repeatedly, and record what the model is offered meanwhile.

    Short turns in separate conversations, one after the other, observe the model. A change becomes
    visible only in the next request, so each time to the model includes the wait for that request.
    It is the time that a user sees, and an upper bound of the time that hotpeers takes.
    """
    few = not scene.scripted or scene.stage.pace.factor > _SLOW
    changes = CHANGES_FEW if few else CHANGES
    first = await scene.count()
    watcher = asyncio.create_task(_watch(scene), name="watcher")
    added, removed = _Series(), _Series()
    try:
        for number in range(changes):
            name = f"extra-{number + 1}"
            await _change(scene, watcher, name, present=True, into=added)
            await _change(scene, watcher, name, present=False, into=removed)
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError, StepError):
            await watcher
    gap = _median_gap([float(entry["time"]) for entry in await scene.stage.requests(first)])
    return [
        _figure("added_to_file", "added → in peers.json", added.to_file, _FILE_LOOK),
        _figure("added_to_model", "added → offered to the model", added.to_model, gap),
        _figure("removed_to_file", "removed → gone from peers.json", removed.to_file, _FILE_LOOK),
        _figure("removed_to_model", "removed → no longer offered", removed.to_model, gap),
    ]


async def _watch(scene: Scene) -> None:
    while True:
        turn = await scene.turn(_LOOK, scene.stage.caller.conversation())
        if not turn.completed:
            raise StepError("every turn to complete while peers change", turn.text)


async def _change(
    scene: Scene, watcher: "asyncio.Task[None]", name: str, *, present: bool, into: _Series
) -> None:
    """Make one change, and note the seconds until the file and a model request show it."""
    stage, tool = scene.stage, scene.stage.tool(name)
    word = "offered" if present else "no longer offered"
    before = await scene.count()
    # Wait a random time. The last change was seen in a request, so without this wait every change would
    # fall on the same point of a turn.
    await asyncio.sleep(random.uniform(0.0, 0.1))
    changed = time.time()
    if present:
        await stage.add_peer(name, of="news")
    else:
        await stage.remove_peer(name)

    stop = threading.Event()

    def in_file() -> float:
        while not stop.is_set():
            projected = stage.projected()
            if projected and (name in [peer.name for peer in projected.peers]) == present:
                return time.time() - changed
            time.sleep(_FILE_LOOK)
        return 0.0

    async def shown() -> float | None:
        if watcher.done():
            watcher.result()
        for entry in await stage.requests(before):
            if entry["time"] >= changed and (tool in entry["tools"]) == present:
                return float(entry["time"]) - changed
        return None

    what = f"the peer file to follow {stage.place.named(name)}"
    try:
        into.to_file.append(await stage.pace.within(what, asyncio.to_thread(in_file), SOON))
    finally:
        stop.set()
    into.to_model.append(await stage.pace.until(f"{tool} to be {word}", shown, scene.patience))


def _median_gap(times: Sequence[float]) -> float:
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return statistics.median(gaps) if gaps else 0.0


def _figure(name: str, title: str, seconds: Sequence[float], resolution: float) -> Figure:
    return Figure(
        name=name,
        title=title,
        count=len(seconds),
        p50_ms=round(statistics.median(seconds) * 1000, 1),
        max_ms=round(max(seconds) * 1000, 1),
        resolution_ms=round(resolution * 1000, 1),
    )
