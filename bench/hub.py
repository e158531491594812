"""One call of a peer through the hub, beside the same call made directly; and a hub with many orchestrators.

    python bench/hub.py --calls 300 --orchestrators 100 --peers 1000

Both calls are made in turn in one run: read the difference. The peer and the hub are processes of their own.
"""

import argparse
import asyncio
import contextlib
import os
import re
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
CHANGES = 30


def prepare(api, key, url, options):
    """Peers and orchestrators, evenly in the namespaces. Returns the tokens of each namespace."""
    spaces = [HOME, *(f"{HOME}-{n}" for n in range(1, options.namespaces))]
    for name in spaces:
        create_namespace(api, name)
    for file in CRD_FILES:
        install_crd(api, file)
    metadata = {"namespace": HOME, "name": "key"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    api.create({**secret, "stringData": {"key": key.hex()}})
    api.create(peer(HOME, "raw", f"{url}/", labels=LABELS))
    api.create_all(
        peer(place(spaces, n), f"p{n}", f"{url}/", labels=LABELS, description=f"Peer {n} of many")
        for n in range(1, options.peers)
    )
    made = api.create_all(
        orchestrator(place(spaces, n), f"lead{n}") for n in range(options.orchestrators)
    )
    tokens = {name: [] for name in spaces}
    for one in made:
        metadata = one["metadata"]
        tokens[metadata["namespace"]].append(make_token(key, metadata["uid"], 1))
    return tokens


def place(spaces, number):
    return spaces[number % len(spaces)]


def watches(api):
    """The open watches of the API server."""
    text = api.request("GET", "/metrics")["message"]
    found = re.findall(
        r'^apiserver_longrunning_requests\{.*verb="WATCH".*\} (\S+)$', text, re.MULTILINE
    )
    return round(sum(map(float, found)))


def processor(pid):
    """Seconds of processor that a process has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def changes(api, url, tokens, clients):
    """Seconds from the creation of a peer until the list of each simulated client has it."""
    took = []
    many = aiohttp.TCPConnector(limit=0)
    tokens = [tokens[n * len(tokens) // clients] for n in range(clients)]
    async with aiohttp.ClientSession(connector=many) as http:

        async def follow(token, name, seen):
            """As a shim without a sidecar follows its list."""
            headers = {"X-Hotpeers-Token": token}
            if token in seen:
                headers |= {"If-None-Match": seen[token], "Prefer": "wait=30"}
            while True:
                async with http.get(f"{url}/v1/peers", headers=headers) as answer:
                    seen[token] = answer.headers["ETag"]
                    if f'"{name}"' in await answer.text():
                        return time.monotonic()
                headers |= {"If-None-Match": seen[token], "Prefer": "wait=30"}

        seen = {}
        await asyncio.gather(*(follow(token, "raw", seen) for token in tokens))
        for number in range(CHANGES):
            name = f"new{number}"
            waiting = [asyncio.create_task(follow(token, name, seen)) for token in tokens]
            await asyncio.sleep(0.5)
            manifest = peer(HOME, name, "http://127.0.0.1:9/", labels=LABELS, description="New")
            began = time.monotonic()
            await asyncio.to_thread(api.create, manifest)
            took += [end - began for end in await asyncio.gather(*waiting)]
    return took


async def main(cluster, options):
    tests = str(Path(__file__).resolve().parents[1] / "tests")
    key = os.urandom(32)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        served = stack.enter_context(
            process("-c", _PEER.format(path=tests), stdout=subprocess.PIPE)
        )
        peer_url = served.stdout.readline().decode().strip()
        api = cluster.api
        everyone = prepare(api, key, peer_url, options)
        tokens = everyone[HOME]
        port, health = free_port(), free_port()
        command = ["-m", "hotpeers", "hub", "--listen", f"127.0.0.1:{port}", "--state-dir", folder]
        command += ["--health-listen", f"127.0.0.1:{health}", "--key-secret", f"{HOME}/key"]
        environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
        before = watches(api)
        began = time.monotonic()
        hub = stack.enter_context(process(*command, stderr=subprocess.DEVNULL, env=environment))
        await asyncio.to_thread(wait_for_bridge, f"http://127.0.0.1:{health}/readyz", seconds=300.0)
        print(
            f"{options.orchestrators} orchestrators and {options.peers} peers in {options.namespaces} "
            f"namespaces: ready after {time.monotonic() - began:.1f} s, processor {processor(hub.pid):.1f} s"
        )
        url = f"http://127.0.0.1:{port}"
        await asyncio.sleep(10)
        used = processor(hub.pid)
        await asyncio.sleep(10)
        print(
            f"at rest: {memory(hub.pid)[0]:.0f} MiB anonymous, {watches(api) - before} watches, "
            f"{(processor(hub.pid) - used) * 10:.1f} % of a processor"
        )
        used = processor(hub.pid)
        took = sorted(await changes(api, url, tokens, options.clients))
        each = (processor(hub.pid) - used) / CHANGES
        middle, late = statistics.median(took) * 1e3, took[int(len(took) * 0.99)] * 1e3
        print(
            f"new peer -> in the lists of {options.clients} clients: p50 {middle:.0f} ms, p99 {late:.0f} ms "
            f"of {CHANGES}; processor {each * 1e3:.0f} ms a change"
        )
        print(f"after the changes: {memory(hub.pid)[0]:.0f} MiB anonymous")
        headers = {"X-Hotpeers-Token": tokens[0]}
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(f"{url}/mcp", http_client=http)
            async with Client(transport, mode="legacy") as client:
                found = await compare(client, peer_url, options.calls)
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
    parser.add_argument("--namespaces", type=int, default=1)
    parser.add_argument("--clients", type=int, default=20, help="that follow their lists meanwhile")
    made = Cluster(ensure_binaries())
    try:
        made.start()
        asyncio.run(main(made, parser.parse_args()))
    finally:
        made.close()
