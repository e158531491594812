"""An ASGI program whose requests end when a file appears: `python served.py PORT GATE`."""

import asyncio
import os
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

_PORT, _GATE = int(sys.argv[1]), Path(sys.argv[2])


async def gate():
    while not _GATE.exists():
        await asyncio.sleep(0.01)


async def wait(_):
    await gate()
    return PlainTextResponse("done")


async def stream(_):
    async def parts():
        yield "begun\n"
        await gate()
        yield "done\n"

    headers = {"Connection": "keep-alive"}
    return StreamingResponse(parts(), media_type="text/event-stream", headers=headers)


async def behind(_):
    return PlainTextResponse("answered", background=BackgroundTask(gate))


async def fail(_):
    raise RuntimeError("a fault of the program")


async def fork(_):
    child = os.fork()
    if not child:
        from hotpeers_shim import turns

        state = turns.get()
        print(state.turns().active, state.turns().pid == os.getpid(), flush=True)
        hold = state.begin()
        print(state.turns().active, flush=True)
        hold.end()
        os._exit(0)
    os.waitpid(child, 0)
    return PlainTextResponse("forked")


routes = [
    Route("/wait", wait, methods=["GET", "POST"]),
    Route("/stream", stream, methods=["POST"]),
    Route("/behind", behind, methods=["POST"]),
    Route("/fail", fail, methods=["POST"]),
    Route("/fork", fork, methods=["POST"]),
]
inner = Starlette(routes=routes)
app = Starlette(routes=[*routes, Mount("/mounted", inner)])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=_PORT, log_level="error", timeout_keep_alive=60)
