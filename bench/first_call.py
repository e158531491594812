"""The first call of a peer: as its interfaces say, beside a peer whose agent card is read before.

    python bench/first_call.py --calls 200        # in each generation's environment

Both are made in turn in one run, each on a client of its own, so that no connection is there yet:
read the ratio. The peer is a real A2A server on the loopback interface.
"""

import argparse
import asyncio
import logging
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/compat"))

from harness import PeerServer

from hotpeers_shim.calls import wire
from hotpeers_shim.calls.call import Call
from hotpeers_shim.calls.pool import Pool
from hotpeers_shim.contract import Interface, Peer
from hotpeers_shim.settings import Settings

SETTINGS = Settings.read({})


async def first_call(peer):
    """Milliseconds from a new client to the answer."""
    began = time.perf_counter()
    async with Pool(SETTINGS).lease(peer) as client:
        reply = await Call(peer, client, SETTINGS).send(wire.text_message("direct hi", ""))
    took = (time.perf_counter() - began) * 1e3
    assert reply.message, reply
    return took


async def main(calls):
    server = PeerServer()
    try:
        interface = Interface(f"{server.url}/", "JSONRPC", "0.3", "", streaming=True)
        peers = {
            "interfaces": Peer("p", server.url, "p", interfaces=(interface,)),
            "agent card": Peer("p", server.url, "p"),
        }
        took = {name: [] for name in peers}
        for number in range(calls + 5):
            for name, peer in peers.items():
                milliseconds = await first_call(peer)
                if number >= 5:
                    took[name].append(milliseconds)
    finally:
        server.stop()
    pairs = zip(took["interfaces"], took["agent card"], strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    middle = {name: statistics.median(values) for name, values in took.items()}
    verdict = "holds" if ratio < 1 else "FALLS SHORT"
    print(f"a2a-sdk {metadata.version('a2a-sdk')}, Python {sys.version.split()[0]}\n")
    print("| first call | by interfaces | by agent card | ratio | target < 1.0 |")
    print("|---|---|---|---|---|")
    print(
        f"| {calls} calls | {middle['interfaces']:.2f} ms | {middle['agent card']:.2f} ms "
        f"| {ratio:.2f} | {verdict} |"
    )


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=200)
    asyncio.run(main(parser.parse_args().calls))
