"""Composes a controller: its servers, and its tasks in one group."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .. import __version__
from ..base.backoff import Backoff
from ..base.errors import SettingsError
from ..base.health import health_routes
from ..base.http import serve
from ..base.memory import return_large_blocks
from ..base.problems import Problem
from ..inject.imagepath.program import is_known
from ..model.selector import parse_selector
from .admission.injection import Webhook
from .admission.owners import Owners
from .certificates.folder import follow_folder
from .hold.holding import Holding
from .metrics import ControllerMetrics
from .port.tls import ServingCertificate, serve_tls
from .settings import ControllerSettings

if TYPE_CHECKING:
    from ..kube.client import Client
    from .guarding import Guarding
    from .replica import Duties, Replica

logger = logging.getLogger(__name__)

# The API server's timeout for a request to the webhook is two seconds.
_FINISH_SECONDS = 3.0
_FIRST_RETRY, _LONGEST_RETRY = 0.2, 10.0
_VERSION_SECONDS = 600.0


class Stop(Exception):
    """Ends the group of tasks after a signal and the drain."""


class Controller:
    """One running controller."""

    def __init__(self, settings: ControllerSettings, metrics: ControllerMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._certificate = ServingCertificate(_client_authorities(settings))
        self._draining = False
        self._webhook = Webhook(metrics, lambda: self._draining, canary_image=settings.canary_image)
        self._replica: Replica | None = None
        self._guarding: Guarding | None = None
        self._holding: Holding | None = None
        if settings.holds:
            self._holding = Holding(settings, metrics, lambda: self._draining)

    async def run(self, client: Client | None) -> None:
        """Run until a signal comes."""
        settings = self._settings
        self._webhook.owners = Owners(client)
        if client is not None:
            from .admission.notices import Notices  # noqa: PLC0415 - with the client only

            self._webhook.notices = Notices(client, self._metrics.event_lost)
        if client is not None and settings.has_duties:
            from .replica import Replica  # noqa: PLC0415 - with the client only

            duties = _duties(settings, client.namespace)
            if settings.guards:
                from .guarding import Guarding  # noqa: PLC0415 - with the client only

                self._guarding = Guarding(
                    client, duties.namespace, settings, self._metrics, lambda: self._draining
                )
            self._replica = Replica(
                client,
                duties,
                self._take_certificate,
                guarding=self._guarding,
                holding=self._holding,
            )
        async with AsyncExitStack() as stack:
            if settings.health_listen is not None:
                app = self._health_app()
                flag = "--health-listen (HOTPEERS_HEALTH_LISTEN)"
                port = await stack.enter_async_context(serve(app, settings.health_listen, flag))
                logger.info("serving health on port %d", port, extra={"port": port})
            app = self._webhook.app()
            if self._guarding is not None:
                self._guarding.add_to(app)
            if self._holding is not None:
                self._holding.add_to(app)
            port = await stack.enter_async_context(
                serve_tls(
                    app,
                    settings.listen,
                    self._certificate,
                    finish=_FINISH_SECONDS,
                    observer=self._metrics,
                )
            )
            logger.info("serving webhooks on port %d", port, extra={"port": port})
            async with asyncio.TaskGroup() as group:
                group.create_task(self._end(), name="signals")
                group.create_task(self._learn_version(client), name="version")
                if self._webhook.notices is not None:
                    group.create_task(self._webhook.notices.run(), name="notices")
                if settings.certificate_dir is not None:
                    following = follow_folder(settings.certificate_dir, self._take_certificate)
                    group.create_task(following, name="certificate folder")
                if self._replica is not None:
                    group.create_task(self._replica.run(), name="replica")

    def _unready(self) -> str:
        if self._draining:
            return "ending"
        if not self._certificate.present:
            problems = self._replica.problems() if self._replica else ()
            why = "".join(f": {problem}" for problem in problems[:1])
            return f"there is no certificate to serve with yet{why}"
        if self._webhook.injection is None:
            return "the version of Kubernetes is not known yet"
        return self._guarding.unready if self._guarding is not None else ""

    def _take_certificate(self, certificate: bytes, key: bytes) -> None:
        self._certificate.replace(certificate, key)
        self._metrics.certificate_replaced(certificate)
        logger.info("another certificate is served from now on")

    def _metrics_text(self) -> bytes:
        if self._replica is not None:
            replica = self._replica
            self._metrics.show(replica.leading, replica.bindings, self._problems())
        return self._metrics.text()

    def _health_app(self) -> web.Application:
        async def status(_: web.Request) -> web.Response:
            return web.json_response(self._status())

        app = web.Application()
        app.add_routes(health_routes(self._unready, self._metrics_text))
        app.router.add_get("/status", status)
        return app

    def _status(self) -> dict[str, Any]:
        why = self._unready()
        document: dict[str, Any] = {"version": __version__, "ready": not why, "unready": why}
        if self._replica is not None:
            document |= self._replica.document()
        document["problems"] = [
            {"where": one.where, "reason": one.reason.value, "message": one.message}
            for one in self._problems()
        ]
        return document

    def _problems(self) -> tuple[Problem, ...]:
        """The current problems. Those that keep this replica from serving come first."""
        owners = self._webhook.owners
        own = self._replica.problems() if self._replica is not None else ()
        return (*own, *(owners.problems() if owners is not None else ()))

    async def _learn_version(self, client: Client | None) -> None:
        """Set the injection by the version of Kubernetes, and check that version regularly."""
        asked = self._settings.native_sidecars
        if asked != "auto" or client is None:
            self._inject_with(native_sidecars=asked == "true")
            return
        from ..kube.errors import KubeError  # noqa: PLC0415 - with the client only
        from .version import has_native_sidecars  # noqa: PLC0415

        backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY)
        while True:
            try:
                self._inject_with(native_sidecars=await has_native_sidecars(client))
            except KubeError as error:
                extra = {"reason": error.reason.value}
                logger.warning("the version of Kubernetes is not known: %s", error, extra=extra)
                await asyncio.sleep(backoff.next())
            else:
                backoff.reset()
                await asyncio.sleep(_VERSION_SECONDS)

    def _inject_with(self, *, native_sidecars: bool) -> None:
        settings = self._settings
        injection = settings.injection(native_sidecars=native_sidecars, reads_image=is_known())
        if self._webhook.injection is None:
            # Freeze the objects that exist now, because they stay. Otherwise each full garbage
            # collection would scan them for tens of milliseconds, while pods wait.
            gc.collect()
            gc.freeze()
        if injection != self._webhook.injection:
            kind = "native sidecars" if native_sidecars else "ordinary containers"
            logger.info("injecting %s of image %s", kind, settings.image)
            self._webhook.injection = injection

    async def _end(self) -> None:
        """Wait for a signal. Then become unready, and serve on, because requests still arrive."""
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        await asked.wait()
        self._draining = True
        seconds = self._settings.drain_seconds
        logger.info("asked to end: serving for another %g s", seconds)
        asked.clear()
        with suppress(TimeoutError):
            # A second signal ends the drain at once.
            await asyncio.wait_for(asked.wait(), seconds)
        raise Stop


def _client_authorities(settings: ControllerSettings) -> str:
    """The content of `--client-ca`.

    Raises `SettingsError` if it is unreadable, so that the port is never open to every caller.
    """
    if settings.client_ca is None:
        return ""
    try:
        found = settings.client_ca.read_text()
    except (OSError, ValueError) as error:
        raise SettingsError(f"--client-ca (HOTPEERS_CLIENT_CA): {error}") from error
    if not found.strip():
        raise SettingsError(f"--client-ca (HOTPEERS_CLIENT_CA): {settings.client_ca} is empty")
    return found


def _duties(settings: ControllerSettings, here: str) -> Duties:
    """The duties of a replica by the settings. `here` is the replica's namespace."""
    from .orchestrators.objects import HubAddress  # noqa: PLC0415 - with the client only
    from .replica import Duties, mutating, serving_names, validating  # noqa: PLC0415 - with the client only

    namespace = settings.namespace or here
    own = settings.certificate_dir is None
    guard = settings.guard_configuration
    configurations = (
        *mutating(settings.webhook_configuration),
        *mutating(guard),
        *validating(guard),
        *mutating(settings.hold_configuration),
    )
    return Duties(
        namespace=namespace,
        lease=settings.lease,
        identity=settings.identity,
        secret=settings.certificate_secret if own else "",
        names=serving_names(settings.service, namespace),
        configurations=configurations if own else (),
        bind_readers=settings.bind_readers,
        orchestrators=settings.orchestrators,
        hub=HubAddress(settings.hub_url, settings.hub_timeout) if settings.hub_url else None,
        hub_key=settings.hub_key_secret,
        injectable=parse_selector(settings.injection_namespaces),
    )


async def run_controller(settings: ControllerSettings) -> None:
    """Run until SIGTERM or SIGINT. Raises `HotpeersError` if the controller cannot start."""
    logger.info("hotpeers controller %s starts, process %d", __version__, os.getpid())
    return_large_blocks()
    controller = Controller(settings, ControllerMetrics())
    try:
        if settings.needs_cluster:
            from ..kube.client import Client  # noqa: PLC0415 - its packages take time and memory
            from ..kube.connection import Access, connect  # noqa: PLC0415

            access = Access(settings.kubeconfig, settings.context)
            async with Client(access, await connect(access)) as client:
                await controller.run(client)
        else:
            await controller.run(None)
    except* Stop:
        logger.info("hotpeers controller ends: asked to")
