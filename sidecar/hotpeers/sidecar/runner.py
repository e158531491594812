"""Connects a sidecar to its source, and runs it until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial

from .. import __version__
from ..base.memory import share_arenas
from ..base.settings import EVERY_NAMESPACE
from ..base.signals import Stop
from .resolve.eligibility import Rules
from .settings import Settings
from .sidecar import Sidecar
from .status.metrics import Metrics

logger = logging.getLogger(__name__)


async def run_sidecar(
    settings: Settings, beside: Callable[[], AbstractAsyncContextManager[object]] = nullcontext
) -> None:
    """Run until SIGTERM or SIGINT. Raises `HotpeersError` if the sidecar cannot start.

    `beside()` is entered first and left last: it runs in the same process, also while the source
    cannot be reached.
    """
    logger.info("hotpeers %s starts, process %d", __version__, os.getpid())
    share_arenas()
    metrics = Metrics()
    try:
        async with beside():
            if settings.source == "kubernetes":
                await _run_in_cluster(settings, metrics)
            else:
                await _run_in_directory(settings, metrics)
    except* Stop:
        logger.info("hotpeers ends: asked to")


async def _run_in_directory(settings: Settings, metrics: Metrics) -> None:
    # Imported late: its file watch costs 2 MB, which a sidecar with a cluster source does not need.
    from .sources.directory import DirectorySource  # noqa: PLC0415

    assert settings.peers_dir is not None, "checked by Settings"  # noqa: S101
    namespaces = settings.namespaces - {EVERY_NAMESPACE}
    rules = Rules(
        settings.selector,
        namespaces,
        settings.orchestrator,
        user_headers_to=settings.user_headers_to,
        require_signed=settings.require_signed is not None,
    )
    source = DirectorySource(settings.peers_dir)
    origin = f"directory {settings.peers_dir}"
    await Sidecar(settings, source, metrics, rules=rules, origin=origin).run()


async def _run_in_cluster(settings: Settings, metrics: Metrics) -> None:
    # Imported late: the client costs 6 MB, which a sidecar with a directory source does not need.
    from ..kube.client import Client  # noqa: PLC0415
    from ..kube.connection import Access, connect  # noqa: PLC0415
    from .sources.kubernetes import KubernetesSource  # noqa: PLC0415
    from .status.events import Feedback  # noqa: PLC0415
    from .status.orchestrator import OrchestratorWriter  # noqa: PLC0415

    access = Access(settings.kubeconfig, settings.context)
    connection = await connect(access)
    home = settings.orchestrator.partition("/")[0] or connection.namespace
    namespaces = settings.namespaces
    if not namespaces and access.in_cluster:
        namespaces = frozenset({home})
    namespaces -= {EVERY_NAMESPACE}
    rules = Rules(
        settings.selector,
        namespaces,
        settings.orchestrator,
        home,
        user_headers_to=settings.user_headers_to,
        require_signed=settings.require_signed is not None,
    )
    async with Client(access, connection) as client:
        source = KubernetesSource(
            client,
            selector=settings.selector.text,
            namespaces=namespaces,
            home=home,
            gateway=settings.kagent_gateway,
            restarted=metrics.watch_restarted,
        )
        feedback = None
        if settings.orchestrator:
            feedback = Feedback(client, settings.orchestrator, metrics.event_lost)
        make_writer = None
        if settings.report_to:
            make_writer = partial(OrchestratorWriter, client, settings.report_to, settings.replica)
        origin = f"kubernetes {connection.configuration.host}"
        await Sidecar(
            settings,
            source,
            metrics,
            rules=rules,
            origin=origin,
            feedback=feedback,
            make_writer=make_writer,
        ).run()
