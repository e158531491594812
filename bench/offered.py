"""End to end: a Peer is made or deleted on a real API server -> a kept agent's model is offered it.

Run by `source.py`, which has the API server, in the environment of kagent. The agent is idle when the
change comes, looks at the peer file every half millisecond, and takes a turn as soon as it says another
thing; a time ends when the model has been asked and was offered what is there now. With its framework
loaded, each full collection of garbage stops the agent for long, and turns with a thousand tools bring
one about every thirtieth: so the times are told with and without the collections in them.
"""

import argparse
import asyncio
import gc
import logging
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import yaml

from kit.apiserver.client import Access, Api
from shim import PEER_FILE, PRODUCT, Agent, live, offers, percentile, verdict

TARGET = 50.0


def access(kubeconfig):
    config = yaml.safe_load(Path(kubeconfig).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    certificate = (Path(user["client-certificate"]), Path(user["client-key"]))
    return Access(cluster["server"], Path(cluster["certificate-authority"]), certificate)


class Collections:
    """How long this process has collected garbage, in milliseconds."""

    def __init__(self):
        self.total = 0.0
        self._began = 0.0
        gc.callbacks.append(self._note)

    def _note(self, phase, _):
        now = time.perf_counter() * 1e3
        if phase == "start":
            self._began = now
        else:
            self.total += now - self._began


def newest(options):
    return {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "Peer",
        "metadata": {
            "name": "newest",
            "namespace": options.namespace,
            "labels": {"hotpeers.dev/peer": "true"},
        },
        "spec": {"url": options.url, "description": "The newest answers questions."},
    }


async def offered(agent, count, within=30.0):
    """A turn as soon as `count` peers are live; returns when they were, and the turn's milliseconds."""
    end = time.perf_counter() + within
    while time.perf_counter() < end:
        if len(live.get().catalog().peers) == count:
            since = time.perf_counter()
            took = await agent.turn()
            if agent.model.offered != count:
                raise SystemExit(f"{agent.model.offered} peers were offered, not {count}")
            return since, took * 1e3
        await asyncio.sleep(0.0005)
    raise SystemExit(f"{count} peers were not live within {within} s")


async def main(options):
    api = Api(access(options.kubeconfig))
    arguments = {
        "--source": "kubernetes",
        "--kubeconfig": options.kubeconfig,
        "--namespaces": options.namespace,
        "--peer-file": str(PEER_FILE),
        "--listen": "none",
    }
    sidecar = subprocess.Popen(
        [
            str(PRODUCT),
            *("-m", "hotpeers", "run"),
            *(part for option in arguments.items() for part in option),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        agent = Agent(hot=True)
        while not PEER_FILE.exists() or PEER_FILE.read_bytes().count(b'"ready":true') < (
            options.standing
        ):
            if sidecar.poll() is not None:
                raise SystemExit("the sidecar ended")
            await asyncio.sleep(0.05)
        await offers(agent, options.standing)
        took, steps, without, alive = [], [], [], []
        collections = Collections()
        for number in range(options.changes):
            if number % 2:
                api.delete(newest(options))
            else:
                api.create(newest(options))
            answered, collected = time.perf_counter(), collections.total
            since, step = await offered(agent, options.standing + (number % 2 == 0))
            steps.append(step)
            alive.append((since - answered) * 1e3)
            took.append((time.perf_counter() - answered) * 1e3)
            without.append(took[-1] - (collections.total - collected))
            # Its card comes after it, and is another change.
            await asyncio.sleep(0.05)
    finally:
        sidecar.terminate()
        sidecar.wait(10)
    load = os.getloadavg()[0]
    print(f"End to end, {options.standing} peers, {len(took)} changes; load average {load:.1f}\n")
    print("| answer of the API server -> offered to the model | p50 / p99 / max, ms | target | |")
    print("|---|---|---|---|")
    told = {
        "live: a step of the model that begins now is offered it": alive,
        "offered, a whole turn later": took,
        "offered, less the agent's garbage collections": without,
    }
    for kind, values in told.items():
        values.sort()
        p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
        print(
            f"| {kind} | {p50:.1f} / {p99:.1f} / {values[-1]:.1f} | p99 {TARGET:.0f} ms "
            f"| {verdict(p99 <= TARGET)} |"
        )
    print(f"| a turn, median | {statistics.median(steps):.1f} | | |")


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--standing", type=int, required=True)
    parser.add_argument("--changes", type=int, required=True)
    asyncio.run(main(parser.parse_args()))
