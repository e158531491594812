"""Tells the owner of an Agent why a pod of it was not injected: a Kubernetes Event on the Agent.

Nothing waits for them. Of an Agent that exists only: what a request says of other owners is not
believed. The same is told of an Agent once in ten minutes; what there is no room for is counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from ...inject.outcome import Skip
from ...inject.owner import Agent
from ...kube.client import Client
from ...kube.errors import ForbiddenError, KubeError
from ...kube.events import make_event

logger = logging.getLogger(__name__)

_MOST_WAITING, _MOST_KEPT = 100, 1000
_SAME_SECONDS = 600.0
_PAUSE_SECONDS = 0.2
_RIGHT = (
    "grant create on events to the controller (ClusterRole …-owners of k8s/rbac/controller.yaml)"
)

_Key = tuple[str, str]


class Notices:
    """Events about Agents. `lost` is called for each that could not be made."""

    def __init__(
        self, client: Client, lost: Callable[[], None], *, pause: float = _PAUSE_SECONDS
    ) -> None:
        self._client = client
        self._lost = lost
        self._pause = pause
        self._waiting: OrderedDict[_Key, tuple[str, Agent, Skip]] = OrderedDict()
        self._told: OrderedDict[_Key, float] = OrderedDict()
        self._news = asyncio.Event()
        self._complained = ""

    def note(self, namespace: str, agent: Agent, skip: Skip) -> None:
        """A pod of an Agent was not injected, or not with all that it asks for. Returns at once."""
        key = (agent.uid, str(skip))
        told = self._told.get(key)
        if told is not None and time.monotonic() - told < _SAME_SECONDS:
            return
        if key not in self._waiting and len(self._waiting) >= _MOST_WAITING:
            self._lost()
            return
        self._waiting[key] = (namespace, agent, skip)
        self._news.set()

    async def run(self) -> None:
        """Tell for ever what was noted. Raises nothing but what is a bug."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                key, noted = self._waiting.popitem(last=False)
                # Before it is sent: the next pod of the Agent may come meanwhile.
                self._keep(key)
                try:
                    await self._tell(*noted)
                except KubeError as error:
                    del self._told[key]
                    self._complain(error)
                await asyncio.sleep(self._pause)

    def _keep(self, key: _Key) -> None:
        self._told[key] = time.monotonic()
        self._told.move_to_end(key)
        while len(self._told) > _MOST_KEPT:
            self._told.popitem(last=False)

    async def _tell(self, namespace: str, agent: Agent, skip: Skip) -> None:
        regarding = {
            "apiVersion": agent.api_version,
            "kind": "Agent",
            "namespace": namespace,
            "name": agent.name,
            "uid": agent.uid,
        }
        note = f"The pod starts without what hotpeers would inject: {skip}"
        event = make_event(regarding, "NotInjected", "Inject", note, warning=True)
        await self._client.post(f"/api/v1/namespaces/{namespace}/events", event)
        self._complained = ""

    def _complain(self, error: KubeError) -> None:
        self._lost()
        if str(error) != self._complained:
            self._complained = str(error)
            todo = f"; {_RIGHT}" if isinstance(error, ForbiddenError) else ""
            extra = {"reason": error.reason.value}
            logger.warning("no Event could be made: %s%s", error, todo, extra=extra)
