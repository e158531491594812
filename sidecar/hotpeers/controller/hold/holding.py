"""Composes the hold feature of one replica: its webhook, and its work while it leads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ...base.names import NamespacedName
from ...base.problems import Problem
from ...hold.repay import Terms
from ...hold.window import parse_window
from ...hold.workload import Pod
from ..metrics import ControllerMetrics
from ..settings import ControllerSettings
from .sidecars import Place, Sidecars, place_of
from .webhook import HoldWebhook

if TYPE_CHECKING:
    from ...kube.client import Client
    from ..election import LeaderClient
    from .keeper import Keeper


class Holding:
    """The hold feature of one replica. `place` returns the sidecar's address for a pod."""

    def __init__(
        self,
        settings: ControllerSettings,
        metrics: ControllerMetrics,
        draining: Callable[[], bool],
        *,
        place: Callable[[Pod], Place | None] = place_of,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._place = place
        self._webhook = HoldWebhook(settings.account, metrics, draining)
        self._keeper: Keeper | None = None
        metrics.count_held(
            lambda: self._keeper.count if self._keeper is not None else 0,
            lambda: self._keeper.waiting_seconds if self._keeper is not None else 0.0,
        )

    def add_to(self, app: web.Application) -> None:
        """Add the path to an application."""
        self._webhook.add_to(app)

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        return self._keeper.problems() if self._keeper is not None else ()

    def document(self) -> list[dict[str, Any]]:
        """The held Deployments; empty if this replica does not lead."""
        return self._keeper.document() if self._keeper is not None else []

    def held(self) -> dict[NamespacedName, str]:
        """For each held Deployment a text for its Orchestrator: since when, and whether it is live."""
        return {
            NamespacedName(one["namespace"], one["name"]): _in_words(one) for one in self.document()
        }

    async def lead(self, client: Client, writer: LeaderClient) -> None:
        """Do the leader's work until cancelled."""
        from .keeper import Keeper  # noqa: PLC0415 - with the client only
        from .repaying import Repaying  # noqa: PLC0415
        from .telling import Telling  # noqa: PLC0415

        settings = self._settings
        terms = Terms(
            settings.hold_repay, settings.hold_idle_seconds, parse_window(settings.hold_window)
        )
        telling = Telling(writer, self._metrics)
        async with Sidecars(self._place) as sidecars:
            self._keeper = keeper = Keeper(
                client, writer, sidecars, telling, settings.hold_ack_seconds
            )
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(keeper.run(), name="keeper")
                    group.create_task(telling.run(), name="tell of holds")
                    group.create_task(Repaying(writer, keeper, terms).run(), name="repay")
            finally:
                self._keeper = None


def _in_words(one: Mapping[str, Any]) -> str:
    since = one["since"]
    text = f"since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(since))}" if since else "yes"
    return f"{text} ({one['state']})"
