"""The command `kagent-adk` of 1.x without kagent's server: `python static_1x.py static --port PORT`.

Two things differ from kagent's own start: tasks are kept in memory, as `KAgentApp.build(local=True)`
does, and `/readyz` gets a free port of the loopback in place of 8081 of all addresses.
"""

import asyncio
import functools
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).with_name("standin")))

from kagent.adk import KAgentApp, cli

KAgentApp.build = functools.partialmethod(KAgentApp.build, local=True)
_listen = asyncio.start_server


def _of_loopback(handle, host=None, port=None, **more):
    if port == 8081:
        host, port = "127.0.0.1", 0
    return _listen(handle, host, port, **more)


asyncio.start_server = _of_loopback

if __name__ == "__main__":
    cli.run_cli()
