"""Finds the ServiceAccount with which the pods of an orchestrator really run.

kagent can be installed with one default account for all agents that do not name one (v0.10.0-rc3,
`--default-service-account-name`). Only the Deployment shows that, not the Agent. Such pods send
their requests as an account that perhaps no policy names.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from ...base.names import NamespacedName
from ...base.parts import part
from ...kube.errors import KubeError, NotFoundError
from ...spawnpolicy.origin import KnownAgent
from ...spawnpolicy.schema.policy import SpawnPolicy
from ..election import LeaderClient

_LOOK_SECONDS = 20.0
_DEFAULT = "default"


class Running:
    """Reads Deployments, each at most once per `look` seconds."""

    def __init__(self, client: LeaderClient, look: float = _LOOK_SECONDS) -> None:
        self._client = client
        self._look = look
        self._free = asyncio.Semaphore(4)
        self._seen: dict[NamespacedName, tuple[float, str | None]] = {}

    async def strays(self, policy: SpawnPolicy, agents: Iterable[KnownAgent]) -> tuple[str, ...]:
        """The orchestrators of a policy that run as an account it does not name, each as a text.

        An orchestrator without a Deployment, or with an unreadable one, is left out.
        """
        found = []
        for agent in agents:
            if not policy.names_subject("Agent", agent.name):
                continue
            account = await self._account(agent.namespace, agent.name)
            expected = account in (None, agent.account)
            if not expected and not policy.names_subject("ServiceAccount", account or ""):
                found.append(f"{agent.name} runs as {account}")
        return tuple(sorted(found))

    async def _account(self, namespace: str, name: str) -> str | None:
        """The account of a Deployment's pods; None if it is unknown."""
        now = time.monotonic()
        key = NamespacedName(namespace, name)
        at, account = self._seen.get(key, (float("-inf"), None))
        if now - at < self._look:
            return account
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        try:
            async with self._free:
                deployment = await self._client.get(path)
        except NotFoundError:
            account = None
        except KubeError:
            pass  # keep the last known account
        else:
            pod = part(part(part(deployment, "spec"), "template"), "spec")
            account = str(pod.get("serviceAccountName") or _DEFAULT)
        # Drop old entries, among them those of deleted agents.
        self._seen = {old: one for old, one in self._seen.items() if now - one[0] < 10 * self._look}
        self._seen[key] = (now, account)
        return account
