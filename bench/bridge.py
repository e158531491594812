"""One call of a peer through the bridge, beside the same call made directly; and the bridge's memory.

    python bench/bridge.py --calls 300

Both are made in turn in one run: read the difference. The peer is a server of its own process, which
answers at once. The direct call is plain A2A over one kept connection. The calls of the bridge are
those of an MCP client with one session.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import aiohttp
from mcp import Client

from hotpeers.hook import wait_for_bridge

TARGET_MS, TARGET_MIB = 5.0, 30.0
_PEER = """
import asyncio, sys
sys.path.insert(0, {path!r})
from kit.raw_peer import running_peer
async def main():
    async with running_peer() as peer:
        print(peer.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextlib.contextmanager
def process(*command, **more):
    running = subprocess.Popen([sys.executable, *command], **more)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


def memory(pid):
    """Anonymous and proportional memory of a process, in MiB."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, size = line.split()[:2]
        found[name] = int(size) / 1024
    return found["Anonymous:"], found["Pss:"]


def sidecar(folder, url, *more):
    folder.mkdir()
    (folder / "manifests").mkdir()
    manifest = {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "Peer",
        "metadata": {"name": "raw"},
        "spec": {"url": f"{url}/"},
    }
    (folder / "manifests/raw.yaml").write_text(json.dumps(manifest))
    command = [
        "-m",
        "hotpeers",
        "run",
        "--peers-dir",
        str(folder / "manifests"),
        "--listen",
        "none",
    ]
    return process(
        *command, "--peer-file", str(folder / "peers.json"), *more, stderr=subprocess.DEVNULL
    )


async def direct(http, url, number):
    part = {"kind": "text", "text": f"call {number}"}
    message = {"kind": "message", "role": "user", "messageId": str(number), "parts": [part]}
    body = {
        "jsonrpc": "2.0",
        "id": number,
        "method": "message/send",
        "params": {"message": message},
    }
    async with http.post(f"{url}/", json=body) as response:
        assert (await response.json())["result"]["status"]["state"] == "completed"


async def compare(client, url, calls):
    took = {"direct": [], "bridge": []}
    async with aiohttp.ClientSession() as http:
        for number in range(calls + 20):
            began = time.perf_counter()
            await direct(http, url, number)
            middle = time.perf_counter()
            arguments = {"agent": "raw", "message": f"call {number}"}
            answer = await client.call_tool("ask_agent", arguments)
            end = time.perf_counter()
            assert not answer.is_error, answer
            if number >= 20:
                took["direct"].append((middle - began) * 1e3)
                took["bridge"].append((end - middle) * 1e3)
    return took


async def main(calls):
    tests = str(Path(__file__).resolve().parents[1] / "tests")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        peer = stack.enter_context(process("-c", _PEER.format(path=tests), stdout=subprocess.PIPE))
        url = peer.stdout.readline().decode().strip()
        port = free_port()
        plain = stack.enter_context(sidecar(folder / "plain", url))
        bridged = stack.enter_context(
            sidecar(folder / "bridged", url, "--bridge-listen", f"127.0.0.1:{port}")
        )
        await asyncio.to_thread(wait_for_bridge, f"http://127.0.0.1:{port}/healthz", seconds=30.0)
        await asyncio.sleep(3)
        before = memory(plain.pid), memory(bridged.pid)
        async with Client(f"http://127.0.0.1:{port}/mcp", mode="legacy") as client:
            took = await compare(client, url, calls)
        after = memory(plain.pid), memory(bridged.pid)
    middle = {name: statistics.median(values) for name, values in took.items()}
    tail = {name: statistics.quantiles(values, n=100)[98] for name, values in took.items()}
    more = middle["bridge"] - middle["direct"]
    print(f"direct  p50 {middle['direct']:6.2f} ms   p99 {tail['direct']:6.2f} ms")
    print(f"bridge  p50 {middle['bridge']:6.2f} ms   p99 {tail['bridge']:6.2f} ms")
    print(
        f"the bridge adds {more:.2f} ms at p50: {'holds' if more <= TARGET_MS else 'FALLS SHORT'}"
    )
    for when, (one, other) in (("at rest", before), ("after the calls", after)):
        added = other[0] - one[0]
        verdict = "holds" if added <= TARGET_MIB else "FALLS SHORT"
        print(
            f"memory {when}: sidecar {one[0]:.0f} MiB anonymous ({one[1]:.0f} PSS), with the bridge "
            f"{other[0]:.0f} ({other[1]:.0f}): adds {added:.0f} MiB: {verdict}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    asyncio.run(main(parser.parse_args().calls))
