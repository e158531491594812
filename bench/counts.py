"""What taking a slot costs: `Reservations.admit` on a real API server, alone and many at once.

    python bench/counts.py --rounds 300

Every round is one admission (or as many as --parallel says, begun together) that is allowed, over one
or two replicas; then the same with a ledger of as many slots and creations as --size says. API server,
etcd (no fsync, in memory) and replicas share the machine. What real etcd adds is a write to its disk.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "sidecar"), str(ROOT / "runtime_patch")]

from hotpeers.controller.quota.ledger import Ledger, Slot  # noqa: E402
from hotpeers.controller.quota.ledger_text import written  # noqa: E402
from hotpeers.controller.quota.reservations import Reservations, Timing  # noqa: E402
from kit.apiserver.binaries import NoBinariesError, ensure_binaries  # noqa: E402
from kit.apiserver.client import ApiError  # noqa: E402
from kit.apiserver.namespaces import create_namespace  # noqa: E402
from kit.apiserver.resources import CRD_FILES, install_crd  # noqa: E402
from kit.apiserver.server import Cluster  # noqa: E402
from kit.controller.admitting import LEASE, POLICY, ledger_path, under  # noqa: E402
from kit.controller.scene import client_of  # noqa: E402

NAMESPACE = "bench"


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(title, seconds, whole):
    p50, p99 = (quantile(seconds, share) * 1000 for share in (0.5, 0.99))
    rate = len(seconds) / whole
    print(f"{title:44} p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   {rate:6.0f}/s", flush=True)


async def measure(replicas, rounds, parallel, names):
    seconds = []

    async def one(number):
        name = next(names)
        begun = time.perf_counter()
        decision = await replicas[number % len(replicas)].admit([POLICY], name, under(10_000))
        seconds.append(time.perf_counter() - begun)
        assert decision.allowed

    begun = time.perf_counter()
    for _ in range(rounds):
        await asyncio.gather(*(one(number) for number in range(parallel)))
    return seconds, time.perf_counter() - begun


def filled(size):
    """A ledger with as many settled slots, and creations in the last hour."""
    now = int(time.time())
    slots = {f"{NAMESPACE}/settled-agent-{at}": Slot(at, uid="01234567") for at in range(size)}
    created = tuple(now - 3600 + at * 3600 // max(size, 1) for at in range(size))
    return written(Ledger(POLICY, slots, created, size, now))


async def run(cluster, rounds, parallel, size):
    with suppress(ApiError):  # there is none yet
        cluster.api.request("DELETE", ledger_path(NAMESPACE))
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(cluster.kubeconfig)) for _ in "ab"]
        names = (f"{NAMESPACE}/agent-{number}" for number in range(10**6))
        # One name again and again, where more would make the ledger another size.
        if size:
            names = (f"{NAMESPACE}/settled-agent-{number % size}" for number in range(10**6))
        timing = Timing(bound=30.0)
        both = [
            Reservations(
                one, NAMESPACE, LEASE, timing=timing, window=lambda _: 3600 if size else 10
            )
            for one in clients
        ]
        await both[0].set_deletion_policy(POLICY, "Retain")
        if size:
            found = cluster.api.request("GET", ledger_path(NAMESPACE))
            cluster.api.patch(found, {"data": {"ledger": filled(size)}})
        print(f"\nledger of {size or 'no'} slots at first")
        await measure(both[:1], 20, 1, names)
        table("one at a time", *await measure(both[:1], rounds, 1, names))
        title = f"{parallel} at once"
        table(title, *await measure(both[:1], rounds // 10, parallel, names))
        title = f"{parallel} at once over two replicas"
        table(title, *await measure(both, rounds // 10, parallel, names))
        text = cluster.api.request("GET", ledger_path(NAMESPACE))["data"]["ledger"]
        print(f"the ledger in the end: {len(text)} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--parallel", type=int, default=20)
    parser.add_argument("--size", type=int, nargs="*", default=[0, 1000, 8000])
    given = parser.parse_args()
    try:
        binaries = ensure_binaries(print)
    except NoBinariesError as error:
        sys.exit(f"error: {error}")
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {tempfile.gettempdir()}")
    cluster = Cluster(binaries)
    try:
        cluster.start()
        for file in CRD_FILES:
            install_crd(cluster.api, file)
        create_namespace(cluster.api, NAMESPACE)
        for size in given.size:
            asyncio.run(run(cluster, given.rounds, given.parallel, size))
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
