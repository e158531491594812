"""Finishes foreground deletions of agents that do not end, while this replica leads.

`kubectl delete --cascade=foreground` keeps an Agent until its dependents are deleted. kagent (0.10)
does not check whether an Agent is being deleted, and may create its Deployment again each time. A
second deletion, in the background, removes the finalizer: the Agent is deleted at once, and its
dependents after it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from ...base.problems import Problem
from ...kube.errors import ConflictError, KubeError, NotFoundError
from ...spawnpolicy.request import AGENT_API, AGENT_RESOURCE
from ..election import LeaderClient
from .expiry import World

logger = logging.getLogger(__name__)

WAIT_SECONDS = 10.0
"""How long a deletion may take by itself, and how long to wait before each further attempt."""


class Finishing:
    """Deletes agents in the background that this leader saw ending for `wait` seconds."""

    def __init__(self, writer: LeaderClient, world: World, *, wait: float = WAIT_SECONDS) -> None:
        self._writer = writer
        self._world = world
        self._wait = wait
        self._since: dict[str, float] = {}
        self._failures: dict[str, Problem] = {}

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        return tuple(self._failures.values())

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            if self._world.fresh():
                await self._finish()
            await asyncio.sleep(self._wait / 2)

    async def _finish(self) -> None:
        now = time.monotonic()
        ending = [one for one in self._world.agents() if one.ending and one.stamped]
        self._since = {one.uid: self._since.get(one.uid, now) for one in ending}
        self._failures = {uid: one for uid, one in self._failures.items() if uid in self._since}
        for agent in ending:
            if now - self._since[agent.uid] < self._wait:
                continue
            self._since[agent.uid] = now
            title = agent.title
            path = f"/apis/{AGENT_API}/namespaces/{agent.namespace}/{AGENT_RESOURCE}/{agent.name}"
            try:
                with suppress(NotFoundError, ConflictError):
                    await self._writer.delete(path, agent.uid, propagation="Background")
            except KubeError as error:
                message = f"its deletion does not end, and cannot be finished: {error}"
                self._failures[agent.uid] = Problem(f"Agent/{title}", error.reason, message)
                continue
            self._failures.pop(agent.uid, None)
            logger.info("finished the deletion of Agent/%s", title)
