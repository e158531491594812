"""A sidecar that is killed 200 times, at any moment, while peers come, change and go."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cluster.chaos.nursery import Nursery
from cluster.chaos.observer import Observer
from cluster.chaos.sidecar import Sidecar, run_arguments
from kit.apiserver.client import Object
from kit.apiserver.server import Cluster

LANES = 4
KILLS = 200
LONGEST_START = 0.4
LONGEST_WORK = 0.1
STAYING = [f"p{number}" for number in range(10)]


@contextmanager
def changes_going_on(cluster: Cluster, make_peer: Callable[..., Object]) -> Iterator[list[int]]:
    """Change peers without end, one after the other; yields how many changes there were."""
    stop = threading.Event()
    made = [0]

    def change() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            name = STAYING[number % len(STAYING)]
            cluster.api.patch(make_peer(name), {"spec": {"description": f"change {number}"}})
            if number % 10 == 5:
                cluster.api.create(make_peer("passing"))
            if number % 10 == 8:
                cluster.api.delete(make_peer("passing"))
            made[0] = number + 1

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(change)
        try:
            yield made
        finally:
            stop.set()
            running.result()


def test_sidecar_killed_at_200_moments_leaves_a_whole_file(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    make_sidecar: Callable[..., Sidecar],
    make_peer: Callable[..., Object],
    tmp_path: Path,
    tell: Callable[[str], None],
) -> None:
    """One process starts them all by fork, so that no time goes into imports; see `Nursery`."""
    cluster.api.create_all(make_peer(name) for name in STAYING)
    kubeconfig = cluster.access.write_kubeconfig(tmp_path / "kubeconfig")
    files = [tmp_path / f"lane-{lane}" / "peers.json" for lane in range(LANES)]
    began = time.monotonic()
    with ExitStack() as stack:
        observers = [stack.enter_context(Observer(file)) for file in files]
        nursery = stack.enter_context(Nursery(tmp_path / "log"))
        pool = stack.enter_context(ThreadPoolExecutor(LANES))
        changes = stack.enter_context(changes_going_on(cluster, make_peer))

        def live_and_die(lane: int) -> int:
            dice = random.Random(lane)
            pause = threading.Event()
            arguments = run_arguments(kubeconfig, namespace, files[lane], "none")
            first = nursery.start(arguments)
            observers[lane].until("the first file", lambda: observers[lane].file is not None)
            observers[lane].require(*STAYING)
            nursery.kill(first)
            killed_in_writing = 0
            for life in range(KILLS // LANES - 1):
                pid = nursery.start(arguments)
                if life % 2:
                    # A moment during the start, or one during the work, which must be reached
                    # first.
                    pause.wait(dice.uniform(0.0, LONGEST_START))
                else:
                    before = observers[lane].generation
                    observers[lane].until("work", lambda b=before: observers[lane].generation > b)
                    pause.wait(dice.uniform(0.0, LONGEST_WORK))
                nursery.kill(pid)
                killed_in_writing += bool(leftovers(files[lane]))
            return killed_in_writing

        writing = sum(pool.map(live_and_die, range(LANES)))
    took = time.monotonic() - began
    before = [observer.generation for observer in observers]
    assert min(before) > KILLS // LANES // 2, before

    sidecar = make_sidecar(file=files[0])
    with Observer(files[0]) as observer:
        observer.until("the last file", lambda: observer.file is not None)
        observer.require(*STAYING)
        sidecar.start()
        cluster.api.patch(make_peer("p0"), {"spec": {"description": "the end"}})
        observer.until_told("p0", "the end")
        assert observer.generation > before[0]
        assert leftovers(files[0]) == []
    polls = sum(one.polls for one in observers)
    seen = sum(one.generations for one in observers)
    tell(
        f"{KILLS} times killed in {took:.1f} s, {writing} of them while writing, with {changes[0]} "
        f"changes: {polls} polls, {seen} generations, {sum(len(o.wrong) for o in observers)} wrong"
    )


def leftovers(file: Path) -> list[str]:
    return [path.name for path in file.parent.glob(".peers.json.*.tmp")]
