"""Composes the guard of one replica: caches, reads, quota, reports, and the leader's work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from aiohttp import web

from ..base.problems import Problem
from ..kube.client import Client
from ..registry.client import Registry
from ..registry.servers import tool_servers
from ..registry.templates import RegistryTemplates
from ..spawnpolicy.decision import Denial
from ..spawnpolicy.review import Review
from ..spawnpolicy.schema.policy import MAX_SECONDS, SpawnPolicy, seconds_of
from ..spawnpolicy.tenancy import TenantLimits
from .admission.decider import Decider, Verdict
from .admission.denials import Denials
from .admission.guard import Guard, last_denial, told_of
from .admission.knowledge import Knowledge
from .admission.live import Live
from .duties import GuardDuties, Telling
from .election import LeaderClient
from .metrics import ControllerMetrics
from .quota.reservations import Reservations
from .quota.settling import Shown
from .settings import ControllerSettings
from .webhook_config.accounts import Governed


class Guarding:
    """The guard of one replica, in the controller's `namespace`.

    `draining` returns whether this replica is shutting down.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        settings: ControllerSettings,
        metrics: ControllerMetrics,
        draining: Callable[[], bool],
    ) -> None:
        limits = TenantLimits(settings.policies_per_namespace, settings.subjects_per_namespace)
        self.knowledge = Knowledge(client, limits)
        self.governed = Governed(client, settings.guard_configuration, self.knowledge)
        self.knowledge.on_change(self.governed.look)
        self.knowledge.on_change(self._look)
        self._telling = Telling(metrics.spawned_deleted, metrics.event_lost, metrics.show_policies)
        self._duties: GuardDuties | None = None
        metrics.count_governed(lambda: self.governed.count)
        self.reservations = Reservations(
            client,
            namespace,
            settings.lease,
            window=self._window,
            agents=self._shown,
            departed=self.knowledge.departures.of,
            policy=self._policy,
        )
        self._denials = Denials(client, metrics.event_lost)
        self._registry: Registry | None = None
        templates: RegistryTemplates | None = None
        if settings.registry_url:
            self._registry = Registry(settings.registry_url, settings.registry_token_file)
            templates = RegistryTemplates(self._registry, partial(tool_servers, client))
        self._live = Live(client, settings.check_secrets)
        self._namespace = namespace
        decider = Decider(self.knowledge, self._live, self.reservations, self.governed, templates)
        self._guard = Guard(decider.decide, metrics, self._note, draining)

    @property
    def unready(self) -> str:
        """Why the guard cannot decide yet; "" if it can."""
        return self.knowledge.unready

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        parts = (self.knowledge, self.governed, self.reservations, self._duties)
        return tuple(one for part in parts if part is not None for one in part.problems())

    def add_to(self, app: web.Application) -> None:
        """Add the guard's paths to an application."""
        self._guard.add_to(app)

    async def run(self) -> None:
        """Do the work of every replica until cancelled."""
        async with AsyncExitStack() as stack:
            if self._registry is not None:
                await stack.enter_async_context(self._registry)
            async with asyncio.TaskGroup() as group:
                group.create_task(self.knowledge.run(), name="knowledge")
                group.create_task(self.governed.run(), name="governed")
                group.create_task(self.reservations.run(), name="note denials")
                group.create_task(self._live.watch_rights(self._namespace), name="watch rights")
                group.create_task(self._denials.run(), name="tell denials")

    async def lead(self, writer: LeaderClient) -> None:
        """Do the leader's work until cancelled."""
        self._duties = GuardDuties(
            *(writer, self.knowledge, self.governed, self.reservations, self._telling),
            secrets=lambda: self._live.checks_secrets,
        )
        try:
            await self._duties.run()
        finally:
            self._duties = None

    def _look(self) -> None:
        if self._duties is not None:
            self._duties.look()

    def _note(self, review: Review, verdict: Verdict, denial: Denial) -> None:
        key = verdict.decision.policy
        if uid := self.knowledge.uid_of(key):
            self._denials.note(told_of(review, verdict, denial, uid))
            self.reservations.note_denial(key, last_denial(review, verdict, denial))

    def _shown(self, key: str) -> Shown:
        under = self.knowledge.known.under(key)
        return {title: counts for title, (_, counts) in under.items()}

    def _policy(self, key: str) -> SpawnPolicy | None:
        return self.knowledge.known.policy(key)

    def _window(self, key: str) -> float:
        """The window in which a policy counts creations, in seconds; the maximum if it has none."""
        policy = self._policy(key)
        limits = policy.spec.limits if policy else None
        return seconds_of(limits.creates.window) if limits else MAX_SECONDS
