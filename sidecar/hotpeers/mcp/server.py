"""Serves the tools over streamable HTTP until the process gets a signal to end."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from .. import __version__
from ..base.http import serve as serve_app
from ..base.signals import Stop, raise_at_signal
from ..kube.client import Client
from ..kube.connection import Access, connect
from ..registry.client import Registry
from .agents import Agents
from .catalogue import Catalogue
from .ephemeral import Ephemeral
from .http import PATH, listening, make_app, make_health_app
from .offered import OfferReader
from .rights import Rights
from .settings import McpSettings
from .toolbox import Toolbox
from .tools import make_server

logger = logging.getLogger(__name__)

_MAX_SESSIONS = 64


async def run_mcp(settings: McpSettings) -> None:
    """Run until SIGTERM or SIGINT. Raises `HotpeersError` if it cannot start."""
    logger.info("hotpeers %s serves tools, process %d", __version__, os.getpid())
    signals = asyncio.create_task(raise_at_signal(), name="signals")
    try:
        async with serve(settings) as port:
            logger.info("tools at http://%s:%d%s", settings.listen.host or "*", port, PATH)
            await signals
    except Stop:
        logger.info("hotpeers ends: asked to")
    finally:
        signals.cancel()


@asynccontextmanager
async def serve(settings: McpSettings) -> AsyncIterator[int]:
    """Serve while the context is open. Yields the port."""
    async with AsyncExitStack() as stack:
        access = Access(settings.kubeconfig, settings.context)
        client = await stack.enter_async_context(Client(access, await connect(access)))
        registry = await stack.enter_async_context(
            Registry(settings.registry_url, settings.registry_token_file)
        )
        catalogue = await stack.enter_async_context(Catalogue(registry))
        home = settings.orchestrator.partition("/")[0]
        offers = None
        if settings.peer_file is not None and settings.ack_dir is not None:
            offers = OfferReader(settings.peer_file, settings.ack_dir)
        agents = Agents(client, settings.orchestrator)
        ephemeral = await stack.enter_async_context(Ephemeral(client, agents))
        here = settings.namespace or home or client.namespace

        def known() -> set[str]:
            return {here, home} | (offers.namespaces() if offers else set())

        toolbox = Toolbox(
            registry,
            catalogue,
            client,
            agents,
            ephemeral,
            here,
            Rights(client, known),
            offers,
        )
        app = make_app(
            make_server(toolbox),
            settings.listen,
            sessions=_MAX_SESSIONS,
            token_file=settings.token_file,
        )
        if settings.health_listen is not None:
            flag = "--health-listen (HOTPEERS_HEALTH_LISTEN)"
            await stack.enter_async_context(
                serve_app(make_health_app(), settings.health_listen, flag)
            )
        yield await stack.enter_async_context(listening(app, settings.listen))
