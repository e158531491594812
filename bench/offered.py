"""End to end: a Peer is made or deleted on a real API server -> a kept agent's model is offered it.

Run by `source.py`, which has the API server, in the environment of kagent. The agent takes turn after
turn, as `shim.py` does, so that a time holds what is left of the turn in which the change came, and a
whole one: a turn's median is told beside it.
"""

import argparse
import asyncio
import logging
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import yaml

from cluster.client import Access, Api
from shim import PEER_FILE, PRODUCT, Agent, offers, percentile, verdict

TARGET = 50.0


def access(kubeconfig):
    config = yaml.safe_load(Path(kubeconfig).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    certificate = (Path(user["client-certificate"]), Path(user["client-key"]))
    return Access(cluster["server"], Path(cluster["certificate-authority"]), certificate)


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
        took, steps = [], []
        for number in range(options.changes):
            if number % 2:
                api.delete(newest(options))
            else:
                api.create(newest(options))
            answered = time.perf_counter()
            steps.append(await offers(agent, options.standing + (number % 2 == 0)))
            took.append((time.perf_counter() - answered) * 1e3)
            # Its card comes after it, and is another change.
            for _ in range(5):
                await agent.turn()
    finally:
        sidecar.terminate()
        sidecar.wait(10)
    took.sort()
    p99 = percentile(took, 0.99)
    load = os.getloadavg()[0]
    print(f"End to end, {options.standing} peers, {len(took)} changes; load average {load:.1f}\n")
    print("| answer of the API server -> offered to the model | a turn | target | |")
    print("|---|---|---|---|")
    print(
        f"| p50 {percentile(took, 0.5):.1f} ms, p99 {p99:.1f} ms, max {took[-1]:.1f} ms "
        f"| {statistics.median(steps):.1f} ms | p99 {TARGET:.0f} ms | {verdict(p99 <= TARGET)} |"
    )


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--standing", type=int, required=True)
    parser.add_argument("--changes", type=int, required=True)
    asyncio.run(main(parser.parse_args()))
