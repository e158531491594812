"""An agent in a process of its own that asks peers once for each argument, and measures its memory.

    greedy_agent.py plain|kagent PEERS NAME:TEXT…

PEERS are the peers of the file, in JSON; NAME is the one to ask. Prints one JSON line for each: what
the model read, the length of all that it was given in characters, seconds, and by how many KiB the
peak of the memory exceeds what was in use before the call.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import loaded


def kib(name: str) -> int:
    """A field of /proc/self/status, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


async def ask(peers: list[dict[str, Any]], asked: list[str]) -> None:
    from scripted import Conversation, call, results

    tools = {peer["name"]: f"{peer['namespace']}__NS__{peer['name']}" for peer in peers}
    # The imports of the first call are not a cost of a reply.
    await Conversation().turn("go", *(call(tool, "warm-up") for tool in tools.values()), "end")
    for one in asked:
        name, _, text = one.partition(":")
        tool = tools[name]
        talk = Conversation()
        Path("/proc/self/clear_refs").write_text("5")  # the peak is reset
        before, start = kib("VmRSS"), time.monotonic()
        events = await talk.turn("go", call(tool, text), "end")
        line = {
            "asked": one,
            "result": results(events)[0],
            "given": sum(len(str(content)) for content in talk.model.seen[-1].contents),
            "seconds": time.monotonic() - start,
            "grown": kib("VmHWM") - before,
            "last": events[-1].content.parts[0].text,
        }
        print(json.dumps(line), flush=True)


def main() -> None:
    runtime, listed, *asked = sys.argv[1:]
    if runtime == "kagent":
        import kagent.adk.types  # noqa: F401 - its import is what tells the shim
    document = {"apiVersion": "hotpeers.dev/v1", "generation": 1, "peers": json.loads(listed)}
    loaded.replace_peer_file(json.dumps(document).encode())
    asyncio.run(ask(json.loads(listed), asked))


if __name__ == "__main__":
    main()
