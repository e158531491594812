"""Where the ledgers are: one ConfigMap for each SpawnPolicy, in the namespace of the controller.

Each write names the version that it goes on from. They go with the controller's Lease.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...base.errors import HotpeersError
from ...base.parts import part
from ...base.reasons import Reason
from ...kube.client import Client
from ...kube.errors import ConflictError, KubeError, NotFoundError
from ...kube.listwatch import list_pages
from ...kube.reasons import KubeReason
from ...spawnpolicy.known import Known, read_agent
from ...spawnpolicy.request import AGENT_API, AGENT_RESOURCE
from ...spawnpolicy.schema.policy import SpawnPolicy
from ...spawnpolicy.stamps import POLICY
from ..reasons import ControllerReason
from .ledger import Alive, Ledger
from .ledger_text import LedgerError, read_ledger, written

LEDGER_LABEL = "hotpeers.dev/ledger"
_LABELS = {"app.kubernetes.io/managed-by": "hotpeers", LEDGER_LABEL: "true"}
_KEPT = ("annotations", "finalizers", "ownerReferences", "resourceVersion", "uid")


class CountsError(HotpeersError):
    """What is counted under a policy is not known now, or could not be written: nothing is admitted."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Held:
    """A ledger in one version of its ConfigMap."""

    ledger: Ledger
    metadata: Mapping[str, Any]

    @property
    def version(self) -> str:
        """Of the ConfigMap."""
        return str(self.metadata.get("resourceVersion"))

    @property
    def uid(self) -> str:
        """Of the ConfigMap: another one where a ledger was lost and rebuilt."""
        return str(self.metadata.get("uid"))

    def same(self, metadata: Mapping[str, Any]) -> bool:
        """Whether this is the same version of the same ConfigMap, which says which it is."""
        names = ("uid", "resourceVersion")
        return all(metadata.get(one) and metadata[one] == self.metadata.get(one) for one in names)


def ledger_name(key: str) -> str:
    """The name of the ConfigMap of a policy."""
    return f"hotpeers-ledger-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


class Ledgers:
    """The ledgers of one controller. Everything raises `CountsError`, after `bound` seconds at most."""

    def __init__(self, client: Client, namespace: str, lease: str, bound: float) -> None:
        self._client = client
        self._namespace = namespace
        self._list = f"/api/v1/namespaces/{namespace}/configmaps"
        self._lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{lease}"
        self._bound = bound
        # Most are as they were when they were read last, and reading one again takes its time.
        self._read: dict[str, Held] = {}

    def where(self, key: str) -> str:
        """The ConfigMap of a policy, as it is told to people."""
        return f"ConfigMap/{self._namespace}/{ledger_name(key)}"

    async def read(self, key: str) -> Held | None:
        """The newest ledger, None where there is none."""
        async with self._asking(self.where(key)):
            try:
                found = await self._client.get(self._path(key))
            except NotFoundError:
                return None
        return self._held(key, found)

    async def make(self, key: str, ledger: Ledger) -> Held | None:
        """Create it; None where somebody was quicker."""
        async with self._asking(self.where(key)):
            try:
                # The Lease as it is now: the garbage collector takes what has an owner that is gone.
                owners = [self._owner(await self._client.get(self._lease))]
            except NotFoundError:
                owners = []
            metadata = {"annotations": {POLICY: key}, "ownerReferences": owners}
            try:
                made = await self._client.post(self._list, self._body(key, ledger, metadata))
            except ConflictError:
                return None
        return self._held(key, made)

    async def store(self, key: str, held: Held, ledger: Ledger) -> Held | None:
        """Write what comes after `held`; None where that is not the newest any more."""
        async with self._asking(self.where(key)):
            body = self._body(key, ledger, held.metadata)
            try:
                stored = await self._client.put(self._path(key), body)
            except (ConflictError, NotFoundError):
                return None
        return Held(ledger, part(stored, "metadata"))

    async def remove(self, key: str, held: Held) -> bool:
        """Delete it; False where it is not the newest any more."""
        async with self._asking(self.where(key)):
            try:
                await self._client.delete(self._path(key), held.uid, held.version)
            except ConflictError:
                return False
            except NotFoundError:
                pass
        return True

    async def every(self) -> dict[str, Held | CountsError]:
        """All ledgers by the key of their policy; in place of one that cannot be read, why."""
        found: dict[str, Held | CountsError] = {}
        async with self._asking(f"ConfigMaps/{self._namespace}"):
            query = {"labelSelector": f"{LEDGER_LABEL}=true"}
            async for page in list_pages(self._client, self._list, query):
                for one in page.items:
                    key = part(part(one, "metadata"), "annotations").get(POLICY)
                    name = part(one, "metadata").get("name")
                    if not isinstance(key, str) or name != ledger_name(key):
                        continue
                    try:
                        found[key] = self._held(key, one)
                    except CountsError as error:
                        found[key] = error
                    # The event loop has others too.
                    await asyncio.sleep(0)
        self._read = {key: held for key, held in self._read.items() if key in found}
        return found

    async def agents(self, key: str, policy: SpawnPolicy | None) -> dict[str, Alive]:
        """All agents that count for this policy: those with its stamp that it can have admitted."""
        known = Known((), () if policy is None else (policy,))
        created: dict[str, datetime] = {}
        async with self._asking("Agents"):
            # All of each place: an agent counts by the agent that spawned it, and without the label too.
            for path in _places(policy):
                async for page in list_pages(self._client, path, {}):
                    for one in page.items:
                        agent = read_agent(one)
                        known.put(agent)
                        if agent.policy == key:
                            created[agent.uid] = created_at(part(one, "metadata"))
        return {
            title: Alive(agent.uid, created[agent.uid])
            for title, agent in known.counted(key).items()
        }

    async def agent(self, namespace: str, name: str) -> Any | None:
        """One Agent as it is now, None where there is none."""
        path = f"/apis/{AGENT_API}/namespaces/{namespace}/{AGENT_RESOURCE}/{name}"
        async with self._asking(f"Agent/{namespace}/{name}"):
            try:
                return await self._client.get(path)
            except NotFoundError:
                return None

    def _held(self, key: str, found: Any) -> Held:
        metadata = part(found, "metadata")
        last = self._read.get(key)
        if last is not None and last.same(metadata):
            return last
        try:
            ledger = read_ledger(str(part(found, "data").get("ledger") or ""))
        except LedgerError as error:
            raise self._bad(key, str(error)) from error
        if ledger.policy != key:
            raise self._bad(key, "it is that of another policy")
        held = self._read[key] = Held(ledger, metadata)
        return held

    def _bad(self, key: str, why: str) -> CountsError:
        advice = "delete it to have it rebuilt from the agents that are alive"
        message = f"{self.where(key)}: no ledger of {key}: {why}; {advice}"
        return CountsError(message, ControllerReason.LEDGER_BAD)

    def _body(self, key: str, ledger: Ledger, metadata: Mapping[str, Any]) -> dict[str, Any]:
        try:
            text = written(ledger)
        except LedgerError as error:
            raise CountsError(
                f"{self.where(key)}: {error}", ControllerReason.LEDGER_FULL
            ) from error
        kept = {part: metadata[part] for part in _KEPT if metadata.get(part)}
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                **kept,
                "name": ledger_name(key),
                "namespace": self._namespace,
                "labels": {**(metadata.get("labels") or {}), **_LABELS},
            },
            "data": {"ledger": text},
        }

    def _path(self, key: str) -> str:
        return f"{self._list}/{ledger_name(key)}"

    @staticmethod
    def _owner(lease: Any) -> dict[str, str]:
        metadata = part(lease, "metadata")
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "name": str(metadata.get("name")),
            "uid": str(metadata.get("uid")),
        }

    @asynccontextmanager
    async def _asking(self, where: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._bound):
                yield
        except TimeoutError as error:
            raise CountsError(f"{where}: no answer in time", KubeReason.API_UNREACHABLE) from error
        except KubeError as error:
            raise CountsError(f"{where}: {error}", error.reason) from error


def _places(policy: SpawnPolicy | None) -> list[str]:
    """The lists that hold all Agents of a policy, and as few others as can be."""
    base = f"/apis/{AGENT_API}"
    if policy is None:
        return [f"{base}/{AGENT_RESOURCE}"]
    namespaces = dict.fromkeys((policy.namespace, *policy.spec.targetNamespaces))
    return [f"{base}/namespaces/{one}/{AGENT_RESOURCE}" for one in namespaces]


def created_at(metadata: Mapping[str, Any]) -> datetime:
    """When an object was created; the epoch where it does not say."""
    try:
        found = datetime.fromisoformat(str(metadata.get("creationTimestamp")))
        return found.astimezone(UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
