"""Wires a hub, and runs it until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from aiohttp import web

from hotpeers_shim.settings import Settings

from ... import __version__
from ...base.health import health_routes
from ...base.http import serve
from ...base.problems import Problem, log_problems
from ...base.reasons import Reason
from ...base.signals import Stop, raise_at_signal
from ...kube.client import Client
from ...kube.connection import Access, connect
from ...registry.fault import Fault
from ...sidecar.cards.reader import CardReader
from ...sidecar.credentials.keeper import CredentialKeeper
from ..http import PATH, Closing, listening, make_app
from ..peers.conversation import Owner
from ..peers.server import Caller, make_server, user_headers, user_of
from ..reasons import McpReason
from ..tracing import flushed, is_on
from .access import Guarded, given_token
from .cluster import ClusterWatch
from .events import CallEvents
from .metrics import HubMetrics
from .peer_list import PeerLists
from .settings import HubSettings
from .status import StatusWriter
from .tenant import Tenant
from .tenants import Tenants

logger = logging.getLogger(__name__)

_MAX_SESSIONS = 10_000
_MAX_REQUESTS = 4_096
_GATHER_SECONDS = 0.002
_LOOK_SECONDS = 1.0
UNREADY_SECONDS = 3.0
"""How long the hub serves on after SIGTERM, until no new connections come to it."""
_RUN_ON_SECONDS = 20.0
"""How long running calls may go on after that. All pauses together are within the pod's grace period."""
_HURRY_SECONDS = 0.8


async def run_hub(settings: HubSettings) -> None:
    """Run until SIGTERM or SIGINT. Raises `HotpeersError` if it cannot start."""
    logger.info("hotpeers %s serves many orchestrators, process %d", __version__, os.getpid())
    signals = asyncio.create_task(raise_at_signal(), name="signals")
    try:
        async with serve_hub(settings) as hub:
            tasks = {signals, *hub.tasks}
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {signals}:
                # A task ends only through a bug: end the process, so that the bug is seen.
                task.result()
            await hub.leave()
            await signals
    except Stop:
        logger.info("hotpeers ends: asked to")
    finally:
        signals.cancel()


class Hub:
    """One running hub. `port` and `health_port` are where it listens; 0 if it does not."""

    def __init__(self, settings: HubSettings, client: Client) -> None:
        self._settings = settings
        self._leaving = False
        self._told: tuple[Problem, ...] = ()
        self.port = self.health_port = 0
        shim = Settings.read(
            {
                **os.environ,
                "HOTPEERS_PEER_FILE": str(settings.peer_file),
                "HOTPEERS_TRACES": str(is_on()),
            }
        )
        self.watch = ClusterWatch(
            client,
            selector=settings.selector,
            key_secret=settings.key_secret,
            gateway=settings.kagent_gateway,
            restarted=self._note_restart,
        )
        self._credentials = CredentialKeeper(
            settings.credentials, settings.peer_file, self.watch.news.set
        )
        self._cards = CardReader(self.watch.news.set, access=self._credentials.access)
        self.tenants = Tenants(
            self.watch,
            self._cards,
            shim,
            wait=settings.wait_seconds,
            user_headers_to=settings.user_headers_to,
        )
        self._lists = PeerLists(self._of)
        self.metrics = HubMetrics(self.tenants)
        self._status = StatusWriter(client, self.tenants, settings.replica)
        self._events = CallEvents(client, self.metrics.event_lost)
        self.tasks: frozenset[asyncio.Task[None]] = frozenset()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the cluster and serve while the context is open."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(flushed())
            await stack.enter_async_context(self._cards)
            stack.push_async_callback(self.tenants.aclose)
            # Credentials are written for the user of this process alone.
            self._credentials.note_users(frozenset({os.getuid()}))
            works = {
                "follow the cluster": self.watch.run(),
                "update": self._keep_updating(),
                "write statuses": self._status.run(),
                "write Events": self._events.run(),
                "tell problems": self._tell(),
            }
            tasks = {asyncio.create_task(work, name=name) for name, work in works.items()}
            self.tasks = frozenset(tasks)
            if settings.credentials is not None:
                tasks.add(asyncio.create_task(self._credentials.run(), name="credentials"))
            stack.push_async_callback(_cancelled, tasks)
            if settings.health_listen is not None:
                flag = "--health-listen (HOTPEERS_HEALTH_LISTEN)"
                self.health_port = await stack.enter_async_context(
                    serve(self._health_app(), settings.health_listen, flag)
                )
            app = make_app(
                make_server(self._find_caller),
                settings.listen,
                sessions=_MAX_SESSIONS,
                token_file=None,
                routes=[self._lists.route()],
            )
            guarded = Guarded(
                app, self.tenants.find, lambda: self.tenants.ready, self.metrics.rejected
            )
            closing = Closing(guarded, lambda: self._leaving)
            self.port = await stack.enter_async_context(
                listening(closing, settings.listen, most_requests=_MAX_REQUESTS)
            )
            logger.info(
                "peer tools at http://%s:%d%s", settings.listen.host or "*", self.port, PATH
            )
            yield

    async def leave(self) -> None:
        """Stop gently: take no new callers, let calls end, and answer the rest with a pointer."""
        self._leaving = True
        await asyncio.sleep(UNREADY_SECONDS)
        self._lists.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(_RUN_ON_SECONDS):
                await self.tenants.wait_until_idle()
        if self.tenants.running:
            logger.info("%d calls run on at their peers", self.tenants.running)
        self.tenants.hurry()
        await asyncio.sleep(_HURRY_SECONDS)

    def _note_restart(self, reason: Reason) -> None:
        self.metrics.watch_restarted(reason)

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        return (
            *self.watch.problems(),
            *self.tenants.problems,
            *self._cards.problems,
            *self._credentials.problems,
            *self._status.problems(),
        )

    async def _keep_updating(self) -> None:
        news = self.watch.news
        while True:
            await news.wait()
            # Debounce: one update per burst of events and cards.
            await asyncio.sleep(_GATHER_SECONDS)
            news.clear()
            await self.tenants.update()

    async def _tell(self) -> None:
        while True:
            problems = self.problems()
            if problems != self._told:
                log_problems(self._told, problems)
                self._told = problems
            self._events.note(self.tenants)
            await asyncio.sleep(_LOOK_SECONDS)

    def _of(self, headers: Mapping[str, str]) -> Tenant | None:
        return self.tenants.find(given_token(headers))

    def _tenant(self, headers: Mapping[str, str]) -> Tenant:
        tenant = self._of(headers)
        if tenant is None:
            raise Fault(
                McpReason.ORCHESTRATOR_UNKNOWN,
                "the token is no longer one of an orchestrator. Nothing was sent",
                "Its operator can read the new token from its Secret.",
            )
        return tenant

    def _find_caller(self, headers: Mapping[str, str]) -> Caller:
        tenant = self._tenant(headers)
        # A token of ours in `Authorization` is not one of the user.
        of_user = user_headers(headers, authorization="x-hotpeers-token" in headers)
        owner = Owner(tenant.orchestrator.uid, user_of(of_user), tenant.title)
        passes = tenant.orchestrator.passes_user_headers
        return Caller(tenant.tools, owner, tenant.title, of_user if passes else {})

    def _health_app(self) -> web.Application:
        def unready() -> str:
            if self._leaving:
                return "the hub is ending"
            return "" if self.tenants.ready else "the cluster was not read completely yet"

        def metrics() -> bytes:
            self.metrics.show_problems(self.problems())
            return self.metrics.text()

        app = web.Application()
        app.add_routes(health_routes(unready, metrics))
        return app


@asynccontextmanager
async def serve_hub(settings: HubSettings) -> AsyncIterator[Hub]:
    """Run a hub while the context is open."""
    access = Access(settings.kubeconfig, settings.context)
    async with Client(access, await connect(access)) as client:
        hub = Hub(settings, client)
        async with hub.running():
            yield hub


async def _cancelled(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
