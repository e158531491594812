"""Serves an application over plain HTTP while a context lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web, web_response

from .errors import ListenError
from .settings import Listen


def hide_versions() -> None:
    """Remove the versions of Python and aiohttp from the Server header of every answer.

    aiohttp has no setting for it, and its answer to a request that is not HTTP passes no hook.
    """
    web_response.SERVER_SOFTWARE = "hotpeers"  # type: ignore[attr-defined]


@asynccontextmanager
async def serve(
    app: web.Application, listen: Listen, flag: str = "--listen (HOTPEERS_LISTEN)"
) -> AsyncIterator[int]:
    """Serve while the context lasts; yields the port. Raises `ListenError` if it cannot listen."""
    hide_versions()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.3)
    await runner.setup()
    try:
        site = web.TCPSite(runner, listen.host or None, listen.port)
        try:
            await site.start()
        except OSError as error:
            raise listen_error(listen, flag, error) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def listen_error(listen: Listen, flag: str, error: OSError) -> ListenError:
    """The error for an address that cannot be listened on; `flag` is the setting to change."""
    return ListenError(
        f"cannot listen on {listen}: {error.strerror or error}; choose another with {flag}, or none"
    )
