"""One call of a peer through the hub, beside the same call made directly; and a hub with many orchestrators.

    python bench/hub.py --calls 300 --orchestrators 100 --peers 1000

Both calls are made in turn in one run: read the difference. The peer and the hub are processes of their own.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import aiohttp
import httpx
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from bridge import _PEER, compare, free_port, memory, process
from hotpeers.hook import wait_for_bridge
from hotpeers.model.hub_token import make_token
from kit.apiserver.binaries import ensure_binaries
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.resources import CRD_FILES, install_crd, orchestrator, peer
from kit.apiserver.server import Cluster

TARGET_MS = 5.0
LABELS = {"hotpeers.dev/peer": "true"}
HOME = "hub-bench"


def prepare(api, key, url, orchestrators, peers):
    create_namespace(api, HOME)
    for file in CRD_FILES:
        install_crd(api, file)
    metadata = {"namespace": HOME, "name": "key"}
    api.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "stringData": {"key": key.hex()},
        }
    )
    api.create(peer(HOME, "raw", f"{url}/", labels=LABELS))
    api.create_all(
        peer(HOME, f"p{n}", f"{url}/", labels=LABELS, description=f"Peer number {n} of many")
        for n in range(peers - 1)
    )
    made = api.create_all(orchestrator(HOME, f"lead{n}") for n in range(orchestrators))
    return [make_token(key, one["metadata"]["uid"], 1) for one in made]


async def changes(api, url, tokens, count):
    """Seconds from the creation of a peer until the lists of the first and the last orchestrator have it."""
    took = []
    async with aiohttp.ClientSession() as http:
        for number in range(count):
            ends = (tokens[0], tokens[-1])
            tags = []
            for token in ends:
                async with http.get(
                    f"{url}/v1/peers", headers={"X-Hotpeers-Token": token}
                ) as answer:
                    tags.append(answer.headers["ETag"])

            async def follow(token, tag, name=f"new{number}"):
                while True:
                    headers = {"X-Hotpeers-Token": token, "If-None-Match": tag, "Prefer": "wait=30"}
                    async with http.get(f"{url}/v1/peers", headers=headers) as answer:
                        tag = answer.headers["ETag"]
                        if f'"{name}"' in await answer.text():
                            return time.monotonic()

            waiting = [asyncio.create_task(follow(*one)) for one in zip(ends, tags, strict=True)]
            await asyncio.sleep(0.2)
            manifest = peer(
                HOME, f"new{number}", "http://127.0.0.1:9/", labels=LABELS, description="New"
            )
            began = time.monotonic()
            await asyncio.to_thread(api.create, manifest)
            took.append(max(await asyncio.gather(*waiting)) - began)
    return took


async def main(cluster, calls, orchestrators, peers):
    tests = str(Path(__file__).resolve().parents[1] / "tests")
    key = os.urandom(32)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        served = stack.enter_context(
            process("-c", _PEER.format(path=tests), stdout=subprocess.PIPE)
        )
        peer_url = served.stdout.readline().decode().strip()
        api = cluster.api
        tokens = prepare(api, key, peer_url, orchestrators, peers)
        port, health = free_port(), free_port()
        command = ["-m", "hotpeers", "hub", "--listen", f"127.0.0.1:{port}", "--state-dir", folder]
        command += ["--health-listen", f"127.0.0.1:{health}", "--key-secret", f"{HOME}/key"]
        environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
        began = time.monotonic()
        hub = stack.enter_context(process(*command, stderr=subprocess.DEVNULL, env=environment))
        await asyncio.to_thread(wait_for_bridge, f"http://127.0.0.1:{health}/readyz", seconds=120.0)
        print(
            f"{orchestrators} orchestrators, {peers} peers: ready after {time.monotonic() - began:.1f} s"
        )
        url = f"http://127.0.0.1:{port}"
        await asyncio.sleep(10)
        print(f"memory at rest: {memory(hub.pid)[0]:.0f} MiB anonymous")
        took = await changes(api, url, tokens, 30)
        middle, most = statistics.median(took) * 1e3, max(took) * 1e3
        print(
            f"new peer -> in the lists of two orchestrators: p50 {middle:.0f} ms, max {most:.0f} ms of 30"
        )
        headers = {"X-Hotpeers-Token": tokens[0]}
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(f"{url}/mcp", http_client=http)
            async with Client(transport, mode="legacy") as client:
                found = await compare(client, peer_url, calls)
        print(f"memory after the calls: {memory(hub.pid)[0]:.0f} MiB anonymous")
    middle = {name: statistics.median(values) for name, values in found.items()}
    tail = {name: statistics.quantiles(values, n=100)[98] for name, values in found.items()}
    more = middle["bridge"] - middle["direct"]
    print(f"direct  p50 {middle['direct']:6.2f} ms   p99 {tail['direct']:6.2f} ms")
    print(f"hub     p50 {middle['bridge']:6.2f} ms   p99 {tail['bridge']:6.2f} ms")
    print(f"the hub adds {more:.2f} ms at p50: {'holds' if more <= TARGET_MS else 'FALLS SHORT'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--orchestrators", type=int, default=100)
    parser.add_argument("--peers", type=int, default=1000)
    options = parser.parse_args()
    made = Cluster(ensure_binaries())
    try:
        made.start()
        asyncio.run(main(made, options.calls, options.orchestrators, options.peers))
    finally:
        made.close()
