"""Wires a console, and runs it until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from aiohttp import web

from .. import __version__
from ..base.health import health_routes
from ..base.http import serve
from ..base.problems import Problem, log_problems
from ..base.signals import Stop, raise_at_signal
from ..kube.client import Client
from ..kube.connection import Access, connect
from ..kube.errors import KubeError
from .app import Site
from .cluster import ClusterWatch
from .metrics import ConsoleMetrics
from .pages import Banner
from .reviews import User, may_list, review_token
from .rights import Rights
from .settings import ConsoleSettings
from .world import World

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


async def run_console(settings: ConsoleSettings) -> None:
    """Run until SIGTERM or SIGINT. Raises `HotpeersError` if it cannot start."""
    logger.info("hotpeers %s shows the cluster, process %d", __version__, os.getpid())
    signals = asyncio.create_task(raise_at_signal(), name="signals")
    try:
        async with serve_console(settings) as console:
            done, _ = await asyncio.wait(
                {signals, *console.tasks}, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                # A task ends only through a bug or a signal.
                task.result()
    except Stop:
        logger.info("hotpeers ends: asked to")
    finally:
        signals.cancel()


class Console:
    """One running console. `port` and `health_port` are where it listens; 0 if it does not."""

    def __init__(self, settings: ConsoleSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._logged: tuple[Problem, ...] = ()
        self.port = self.health_port = 0
        self.world = World()
        self.metrics = ConsoleMetrics()
        self.watch = ClusterWatch(client, self.world, self.metrics.watch_restarted)
        self.site = Site(
            self.world,
            self._review,
            Rights(self._may_list, self.world.namespaces),
            banner=self._banner,
            audience=settings.audience,
            public_url=settings.public_url,
            hosts=settings.hosts,
            proxies=settings.proxies,
            metrics=self.metrics,
        )
        self.tasks: frozenset[asyncio.Task[None]] = frozenset()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the cluster and serve while the context is open."""
        settings = self._settings
        works = {
            "follow the cluster": self.watch.run(),
            "publish": self.world.publish(),
            "look after it": self._look_after(),
        }
        async with AsyncExitStack() as stack:
            tasks = frozenset(asyncio.create_task(work, name=name) for name, work in works.items())
            self.tasks = tasks
            stack.push_async_callback(_cancelled, tasks)
            if settings.health_listen is not None:
                flag = "--health-listen (HOTPEERS_HEALTH_LISTEN)"
                self.health_port = await stack.enter_async_context(
                    serve(self._health_app(), settings.health_listen, flag)
                )
            self.port = await stack.enter_async_context(serve(self.site.app(), settings.listen))
            logger.info("the console is at http://%s:%d/", settings.listen.host or "*", self.port)
            yield

    async def _review(self, token: str) -> User | None:
        try:
            return await review_token(self._client, token, self._settings.audience)
        except KubeError:
            self.metrics.failed("TokenReview")
            raise

    async def _may_list(self, user: User, namespace: str) -> bool:
        try:
            return await may_list(self._client, user, namespace)
        except KubeError:
            self.metrics.failed("SubjectAccessReview")
            raise

    def _banner(self) -> Banner:
        problems = tuple(str(one) for one in self.watch.problems())
        return Banner(self.watch.complete, problems, self.watch.missing())

    async def _look_after(self) -> None:
        while True:
            problems = self.watch.problems()
            if problems != self._logged:
                log_problems(self._logged, problems)
                self._logged = problems
            self.site.end_old_sessions()
            await asyncio.sleep(_LOOK_SECONDS)

    def _health_app(self) -> web.Application:
        def unready() -> str:
            return "" if self.watch.complete else "the cluster was not read completely yet"

        def metrics() -> bytes:
            self.metrics.show_problems(self.watch.problems())
            return self.metrics.text()

        app = web.Application()
        app.add_routes(health_routes(unready, metrics))
        return app


@asynccontextmanager
async def serve_console(settings: ConsoleSettings) -> AsyncIterator[Console]:
    """Run a console while the context is open."""
    access = Access(settings.kubeconfig, settings.context)
    async with Client(access, await connect(access)) as client:
        console = Console(settings, client)
        async with console.running():
            yield console


async def _cancelled(tasks: frozenset[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
