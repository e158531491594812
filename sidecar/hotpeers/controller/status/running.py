"""As which ServiceAccount an orchestrator's pods really run.

kagent can be installed with one account for all agents that name none (v0.10.0-rc3,
`--default-service-account-name`): the Agent does not say so, its Deployment does. Requests of such
pods are those of an account that no policy may name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from ...kube.errors import KubeError, NotFoundError
from ...spawnpolicy.origin import KnownAgent
from ...spawnpolicy.schema.policy import SpawnPolicy
from ...spawnpolicy.stamps import part
from ..election import LeaderClient

_LOOK_SECONDS = 20.0
_DEFAULT = "default"


class Running:
    """Looks at Deployments, each at most every `look` seconds."""

    def __init__(self, client: LeaderClient, look: float = _LOOK_SECONDS) -> None:
        self._client = client
        self._look = look
        self._free = asyncio.Semaphore(4)
        self._seen: dict[tuple[str, str], tuple[float, str | None]] = {}

    async def strays(self, policy: SpawnPolicy, agents: Iterable[KnownAgent]) -> tuple[str, ...]:
        """The policy's orchestrators that run as an account which it does not name, each as a text.

        One without a Deployment, or whose Deployment cannot be read, is none.
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
        """The account of a Deployment's pods; None where that is not known."""
        now = time.monotonic()
        at, account = self._seen.get((namespace, name), (float("-inf"), None))
        if now - at < self._look:
            return account
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        try:
            async with self._free:
                deployment = await self._client.get(path)
        except NotFoundError:
            account = None
        except KubeError:
            pass  # what was seen last may still be so
        else:
            pod = part(part(part(deployment, "spec"), "template"), "spec")
            account = str(pod.get("serviceAccountName") or _DEFAULT)
        # Those that are gone are forgotten with the rest.
        self._seen = {key: one for key, one in self._seen.items() if now - one[0] < 10 * self._look}
        self._seen[namespace, name] = (now, account)
        return account
