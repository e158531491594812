"""Keeps the Orchestrators of injected workloads, and the rights of their sidecars.

Only the leader does this.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ...base.names import NamespacedName
from ...base.parts import part, text
from ...base.problems import Problem
from ...base.scope import State
from ...inject.annotations import INJECTED_LABEL
from ...kube.client import Client
from ...kube.errors import ConflictError, KubeError, NotFoundError
from ...kube.informer.kind import Kind, Version
from ...kube.informer.scope import Scope
from ...model.orchestrator import API_VERSION
from ..election import LeaderClient
from ..reasons import ControllerReason
from .objects import (
    GROUP,
    Shown,
    binding_of,
    binds,
    has_replicas,
    is_made_by_us,
    orchestrator_of,
    read_shown,
    role_name,
    role_of,
    status_change,
)
from .pods import (
    InjectedPod,
    Owner,
    Workload,
    first_owner,
    owner_of,
    read_injected_pod,
    scaled_path,
    workloads_of,
)

logger = logging.getLogger(__name__)

_POD = Kind[InjectedPod]("Pod", "", "pods", (Version("v1", read_injected_pod),))
_ORCHESTRATOR = Kind[Shown](
    "Orchestrator", "hotpeers.dev", "orchestrators", (Version("v1alpha1", read_shown),)
)
_INJECTED = {"labelSelector": f"{INJECTED_LABEL}=true"}
_GATHER_SECONDS = 0.05
_LOOK_SECONDS = 5.0
_REST_SECONDS = 10.0
AGAIN_SECONDS = 600.0
"""After this time, the Role and RoleBinding are looked at again: somebody may have changed them."""
_SOON_SECONDS = 30.0
GRACE_SECONDS = 120.0
"""How long a workload may have no injected pod before its Orchestrator is deleted."""
_AT_ONCE = 4


class Workloads:
    """Works while this replica leads. `held` returns why each Deployment is held, as a text."""

    def __init__(
        self,
        client: Client,
        writer: LeaderClient,
        held: Callable[[], Mapping[NamespacedName, str]] = dict,
    ) -> None:
        self._writer = writer
        self._held = held
        self._news = asyncio.Event()
        self._pods: Scope[InjectedPod] = self._scope(client, _POD, _INJECTED)
        self._shown: Scope[Shown] = self._scope(client, _ORCHESTRATOR, {})
        self._owners: dict[str, Owner | None] = {}
        self._granted: dict[str, tuple[frozenset[str], float]] = {}
        self._idle: dict[NamespacedName, float] = {}
        self._rests: dict[NamespacedName, float] = {}
        self._failures: dict[NamespacedName, Problem] = {}
        self._free = asyncio.Semaphore(_AT_ONCE)

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        unread = [one.problem for one in self._scopes() if one.problem is not None]
        return (*unread, *self._shown.store.problems(), *self._failures.values())

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for scope in self._scopes():
                group.create_task(scope.follow(), name=f"follow {scope.title}")
            group.create_task(self._keep(), name="keep Orchestrators of workloads")

    async def _keep(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._news.wait()
            # Debounce: one pass per burst of watch events.
            await asyncio.sleep(_GATHER_SECONDS)
            self._news.clear()
            if all(scope.listed for scope in self._scopes()):
                await self._pass()

    async def _pass(self) -> None:
        pods = list(self._pods.store.values())
        wanted, unknown = workloads_of(pods, self._owners)
        if unknown:
            await self._each([self._learn(namespace, owner) for namespace, owner in unknown])
            wanted, _ = workloads_of(pods, self._owners)
        live = {pod.owner.uid for pod in pods if pod.owner is not None}
        self._owners = {uid: owner for uid, owner in self._owners.items() if uid in live}

        shown = {one.key: one for one in self._shown.store.values()}
        now = time.monotonic()
        known = {one.uid for one in shown.values()}
        self._granted = {uid: done for uid, done in self._granted.items() if uid in known}
        self._rests = {key: until for key, until in self._rests.items() if until > now}
        unread = {NamespacedName(namespace, owner.name) for namespace, owner in unknown}
        there = wanted.keys() | shown.keys() | unread
        self._failures = {key: one for key, one in self._failures.items() if key in there}
        held = self._held()
        work = [
            self._bring(one, shown.get(key), held.get(key, ""))
            for key, one in wanted.items()
            if key not in self._rests
        ]
        work += self._unneeded(shown, wanted, now)
        await self._each(work)

    def _unneeded(
        self,
        shown: Mapping[NamespacedName, Shown],
        wanted: Mapping[NamespacedName, Workload],
        now: float,
    ) -> list[Coroutine[Any, Any, None]]:
        idle = {
            key: self._idle.get(key, now)
            for key, one in shown.items()
            if one.is_ours and key not in wanted
        }
        self._idle = idle
        # Delete nothing while the watches are out of date.
        if not all(scope.status().state is State.FOLLOWING for scope in self._scopes()):
            return []
        return [
            self._retire(shown[key])
            for key, since in idle.items()
            if now - since >= GRACE_SECONDS and key not in self._rests
        ]

    async def _each(self, work: list[Coroutine[Any, Any, None]]) -> None:
        async def one(item: Coroutine[Any, Any, None]) -> None:
            async with self._free:
                await item

        async with asyncio.TaskGroup() as group:
            for item in work:
                group.create_task(one(item), name="keep an Orchestrator")

    async def _learn(self, namespace: str, owner: Owner) -> None:
        """Find the owner of a ReplicaSet. The pods name only the ReplicaSet."""
        try:
            found = await self._writer.get(scaled_path(namespace, owner))
            # Anybody who creates pods could name the UID of another namespace's ReplicaSet.
            if text(found, "metadata", "uid") == owner.uid:
                self._owners[owner.uid] = owner_of(found)
        except NotFoundError:
            return  # its pods will end
        except KubeError as error:
            key = NamespacedName(namespace, owner.name)
            self._fail(key, f"ReplicaSet/{key}", error.reason, f"cannot be read: {error}")

    async def _bring(self, workload: Workload, one: Shown | None, held: str) -> None:
        """Bring the Orchestrator of a workload up to date."""
        key = workload.key
        where = f"Orchestrator/{key}"
        try:
            if one is None:
                await self._writer.post(_path(key.namespace), orchestrator_of(workload))
                logger.info("made %s for %s %s", where, workload.owner.kind, workload.owner.name)
                return  # the watch will report it
            if not one.is_ours:
                message = (
                    f"exists for the hub, so the state of {workload.owner.kind} {workload.owner.name}"
                    " is not shown; give the Orchestrator of the hub another name"
                )
                self._fail(key, where, ControllerReason.ORCHESTRATOR_TAKEN, message)
                return
            if workload.owner.uid not in one.owner_uids:
                # The workload was deleted and created again.
                await self._writer.delete(f"{_path(key.namespace)}/{key.name}", one.uid)
                return
            await self._grant(one, frozenset(workload.accounts))
            await self._tell(one, workload.pods, held)
            self._failures.pop(key, None)
        except (ConflictError, NotFoundError):
            # It was changed meanwhile; the watch will report it, or the workload is gone.
            self._rests[key] = time.monotonic() + 1.0
        except KubeError as error:
            self._fail(key, where, error.reason, f"cannot be kept: {error}")

    async def _grant(self, one: Shown, accounts: frozenset[str]) -> None:
        """Let the sidecars write the status of this one object."""
        done, until = self._granted.get(one.uid, (None, 0.0))
        if done == accounts and time.monotonic() < until:
            return
        namespace, name = one.key.namespace, role_name(one.key.name)
        base = f"/apis/{GROUP}/v1/namespaces/{namespace}"
        again = AGAIN_SECONDS
        try:
            await self._writer.post(f"{base}/roles", role_of(one))
        except ConflictError:
            # It exists; a Role of this name is never changed. The Role of an Orchestrator that was
            # deleted a moment ago will be deleted too, so a new Orchestrator's is soon looked at again.
            again = again if one.uid in self._granted else _SOON_SECONDS
        wanted = binding_of(one, accounts)
        try:
            found = await self._writer.get(f"{base}/rolebindings/{name}")
        except NotFoundError:
            found = None
        if found is not None and not binds(found, wanted):
            if not is_made_by_us(found):
                raise KubeError(
                    f"RoleBinding {name} exists, and hotpeers did not make it: delete it"
                )
            await self._writer.delete(f"{base}/rolebindings/{name}", found["metadata"]["uid"])
            found = None
        if found is None:
            await self._writer.post(f"{base}/rolebindings", wanted)
        self._granted[one.uid] = (accounts, time.monotonic() + again)

    async def _tell(self, one: Shown, pods: set[str], held: str) -> None:
        if not status_change(one, self._there(one, pods), held, datetime.now(UTC)):
            return
        path = f"{_path(one.key.namespace)}/{one.key.name}"
        data = await self._writer.get(path)
        fresh = read_shown(data)
        change = status_change(fresh, self._there(fresh, pods), held, datetime.now(UTC))
        if change and fresh.uid == one.uid:
            version = data["metadata"]["resourceVersion"]
            body = {"metadata": {"resourceVersion": version}, "status": change}
            await self._writer.patch(f"{path}/status", body)

    def _there(self, one: Shown, pods: set[str]) -> set[str]:
        """The pods whose reports stay: all of them while the watch is out of date and lacks new pods."""
        if self._pods.status().state is State.FOLLOWING:
            return pods
        return pods | one.replicas.keys()

    async def _retire(self, one: Shown) -> None:
        """Delete the Orchestrator of a workload that has pods, none of which is injected."""
        key = one.key
        path = f"{_path(key.namespace)}/{key.name}"
        try:
            data = await self._writer.get(path)
            if await self._waits(key, first_owner(data)):
                self._idle[key] = time.monotonic()
                await self._tell(one, set(), "")
                return
            await self._writer.delete(path, one.uid)
            logger.info("deleted Orchestrator/%s: its workload has no injected pod", key)
        except (NotFoundError, ConflictError):
            return
        except KubeError as error:
            self._fail(key, f"Orchestrator/{key}", error.reason, f"cannot be deleted: {error}")

    async def _waits(self, key: NamespacedName, owner: Owner | None) -> bool:
        """Whether the workload exists with this UID and wants no pods now."""
        path = scaled_path(key.namespace, owner) if owner is not None else ""
        if owner is None or not path:
            return False
        try:
            found = await self._writer.get(path)
        except NotFoundError:
            return False
        same = text(found, "metadata", "uid") == owner.uid
        return same and not has_replicas(part(found, "spec"))

    def _fail(self, key: NamespacedName, where: str, reason: Any, message: str) -> None:
        self._failures[key] = Problem(where, reason, message)
        self._rests[key] = time.monotonic() + _REST_SECONDS

    def _scopes(self) -> tuple[Scope[Any], ...]:
        return (self._pods, self._shown)

    def _scope(self, client: Client, kind: Kind[Any], params: dict[str, str]) -> Scope[Any]:
        changed: Callable[[], None] = self._news.set
        return Scope(client, kind, "", params, changed=changed, restarted=lambda _: None)


def _path(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/orchestrators"
