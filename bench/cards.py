"""Serves one agent card for each path, so that the peers of `source.py` are as peers are: ready.

It prints its port. Run by `source.py`.
"""

import asyncio

from aiohttp import web

CARD_PATH = "/.well-known/agent-card.json"


async def of_agent(request):
    """The card of an Agent, of which this server is the proxy; see `agents.py`."""
    if request.headers["Host"].startswith("closed"):
        request.transport.abort()
    if request.headers["Host"].startswith("silent"):
        await asyncio.sleep(60)
    return await card(request)


async def card(request):
    # Not `request.host`: of a proxy it has no port.
    home = f"http://{request.headers['Host']}{request.path.removesuffix(CARD_PATH)}"
    return web.json_response(
        {
            "protocolVersion": "0.3.0",
            "name": "agent",
            "description": "Answers.",
            "url": home,
            "version": "1",
            "capabilities": {"streaming": True},
            "defaultInputModes": ["text"],
            "defaultOutputModes": ["text"],
            "skills": [],
        }
    )


async def main():
    app = web.Application()
    app.router.add_get(f"/{{peer}}{CARD_PATH}", card)
    app.router.add_get(CARD_PATH, of_agent)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
