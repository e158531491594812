"""The floor of `source.py`: lists and watches one kind, decodes each event, and writes nothing.

It prints "ready" once the watch is open, and when it is asked to end what it saw and when: a JSON
object of resource version -> nanoseconds of the monotonic clock.
"""

import argparse
import asyncio
import json
import signal
import ssl
import sys
import time
from pathlib import Path

import aiohttp
import yaml


def connector(kubeconfig):
    """The server's address and the TLS settings of a kubeconfig with client certificates."""
    config = yaml.safe_load(Path(kubeconfig).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
    tls.load_cert_chain(user["client-certificate"], user["client-key"])
    return cluster["server"], aiohttp.TCPConnector(ssl=tls, limit=0)


async def follow(options, seen):
    server, connection = connector(options.kubeconfig)
    url = server + options.path
    known = {}
    forever = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connection, timeout=forever, read_bufsize=2**22
    ) as session:
        query = {"labelSelector": options.selector}
        async with session.get(url, params=query) as answer:
            listed = await answer.json()
        for item in listed["items"]:
            known[item["metadata"]["name"]] = item
        query |= {"watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"]}
        async with session.get(url, params=query) as answer:
            print("ready", flush=True)
            async for line in answer.content:
                item = json.loads(line)["object"]
                known[item["metadata"]["name"]] = item
                seen[item["metadata"]["resourceVersion"]] = time.monotonic_ns()


async def main(options):
    seen = {}
    task = asyncio.create_task(follow(options, seen))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        sys.exit(f"the watch ended: {task.exception()}")
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--selector", required=True)
    asyncio.run(main(parser.parse_args()))
