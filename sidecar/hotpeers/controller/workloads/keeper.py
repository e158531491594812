"""Keeps the Orchestrators of injected workloads, and the rights of their sidecars.

Only the leader does this.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ...base.names import NamespacedName
from ...base.parts import part, text
from ...base.problems import Problem
from ...base.scope import State
from ...inject.annotations import INJECTED_LABEL
from ...kube.client import Client
from ...kube.errors import ConflictError, KubeError, NotFoundError
from ...kube.informer.kind import Kind, Version
from ...model.orchestrator import API_VERSION
from ..election import LeaderClient
from ..reasons import ControllerReason
from ..reconciler import REST_SECONDS, Reconciler
from .objects import (
    GROUP,
    Existing,
    binding_of,
    binds,
    has_replicas,
    hidden_message,
    is_made_by_us,
    orchestrator_of,
    read_existing,
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
_ORCHESTRATOR = Kind[Existing](
    "Orchestrator", "hotpeers.dev", "orchestrators", (Version("v1alpha1", read_existing),)
)
_INJECTED = {"labelSelector": f"{INJECTED_LABEL}=true"}
_LOOK_SECONDS = 5.0
AGAIN_SECONDS = 600.0
"""After this time, the Role and RoleBinding are looked at again: somebody may have changed them."""
_SOON_SECONDS = 30.0
GRACE_SECONDS = 120.0
"""How long a workload may have no injected pod before its Orchestrator is deleted."""


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
        self._reconciler: Reconciler[NamespacedName] = Reconciler(
            "keep Orchestrators of workloads", self._pass, resync=_LOOK_SECONDS
        )
        self._pods = self._reconciler.watch(client, _POD, params=_INJECTED)
        self._existing = self._reconciler.watch(client, _ORCHESTRATOR)
        self._owners: dict[str, Owner | None] = {}
        self._granted: dict[str, tuple[frozenset[str], float]] = {}
        self._idle: dict[NamespacedName, float] = {}

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        return (*self._reconciler.problems(), *self._existing.store.problems())

    async def run(self) -> None:
        """Work until cancelled."""
        await self._reconciler.run()

    async def _pass(self) -> None:
        pods = list(self._pods.store.values())
        wanted, unknown = workloads_of(pods, self._owners)
        if unknown:
            await self._reconciler.each(
                partial(self._learn, namespace, owner)
                for namespace, owner in unknown
                if not self._reconciler.rests(_unread_key(namespace, owner))
            )
            wanted, _ = workloads_of(pods, self._owners)
        live = {pod.owner.uid for pod in pods if pod.owner is not None}
        self._owners = {uid: owner for uid, owner in self._owners.items() if uid in live}

        existing = {one.key: one for one in self._existing.store.values()}
        now = time.monotonic()
        known = {one.uid for one in existing.values()}
        self._granted = {uid: done for uid, done in self._granted.items() if uid in known}
        unread = {_unread_key(namespace, owner) for namespace, owner in unknown}
        self._reconciler.keep(wanted.keys() | existing.keys() | unread)
        held = self._held()
        work: list[Callable[[], Awaitable[None]]] = [
            partial(self._bring, one, existing.get(key), held.get(key, ""))
            for key, one in wanted.items()
            if not self._reconciler.rests(key)
        ]
        # The owner of a ReplicaSet may be unreadable. Its pods still need their Orchestrator.
        named = {NamespacedName(one.key.namespace, one.workload) for one in pods if one.owner}
        work += self._unneeded(existing, named, now)
        await self._reconciler.each(work)

    def _unneeded(
        self,
        existing: Mapping[NamespacedName, Existing],
        named: Collection[NamespacedName],
        now: float,
    ) -> list[Callable[[], Awaitable[None]]]:
        idle = {
            key: self._idle.get(key, now)
            for key, one in existing.items()
            if one.is_ours and key not in named
        }
        self._idle = idle
        # Delete nothing while the watches are out of date.
        if not self._reconciler.up_to_date:
            return []
        return [
            partial(self._retire, existing[key])
            for key, since in idle.items()
            if now - since >= GRACE_SECONDS and not self._reconciler.rests(key)
        ]

    async def _learn(self, namespace: str, owner: Owner) -> None:
        """Find the owner of a ReplicaSet. The pods name only the ReplicaSet."""
        key = _unread_key(namespace, owner)
        # The pods of a deleted one will end. A pod may also name one that never existed.
        self._reconciler.rest(key, REST_SECONDS)
        try:
            found = await self._writer.get(scaled_path(namespace, owner))
            # Anybody who creates pods could name the UID of another namespace's ReplicaSet.
            if text(found, "metadata", "uid") == owner.uid:
                self._owners[owner.uid] = owner_of(found)
        except NotFoundError:
            self._reconciler.succeed(key)
        except KubeError as error:
            where = f"ReplicaSet/{namespace}/{owner.name}"
            self._fail(key, where, error.reason, f"cannot be read: {error}")

    async def _bring(self, workload: Workload, one: Existing | None, held: str) -> None:
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
            hidden = hidden_message(workload)
            await self._update_status(one, workload.pods, held, hidden)
            if hidden:
                problem = Problem(where, ControllerReason.WORKLOAD_HIDDEN, hidden)
                self._reconciler.fail(key, problem, seconds=0.0)
            else:
                self._reconciler.succeed(key)
        except (ConflictError, NotFoundError):
            # It was changed meanwhile; the watch will report it, or the workload is gone.
            self._reconciler.rest(key, 1.0)
        except KubeError as error:
            self._fail(key, where, error.reason, f"cannot be kept: {error}")

    async def _grant(self, one: Existing, accounts: frozenset[str]) -> None:
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

    async def _update_status(
        self, one: Existing, pods: set[str], held: str, hidden: str = ""
    ) -> None:
        def change_of(found: Existing) -> dict[str, Any]:
            return status_change(
                found, self._pods_to_keep(found, pods), held, datetime.now(UTC), hidden
            )

        if not change_of(one):
            return
        path = f"{_path(one.key.namespace)}/{one.key.name}"
        data = await self._writer.get(path)
        fresh = read_existing(data)
        change = change_of(fresh)
        if change and fresh.uid == one.uid:
            version = data["metadata"]["resourceVersion"]
            body = {"metadata": {"resourceVersion": version}, "status": change}
            await self._writer.patch(f"{path}/status", body)

    def _pods_to_keep(self, one: Existing, pods: set[str]) -> set[str]:
        """The pods whose reports stay: all of them while the watch is out of date and lacks new pods."""
        if self._pods.status().state is State.FOLLOWING:
            return pods
        return pods | one.replicas.keys()

    async def _retire(self, one: Existing) -> None:
        """Delete the Orchestrator of a workload that has pods, none of which is injected."""
        key = one.key
        path = f"{_path(key.namespace)}/{key.name}"
        try:
            data = await self._writer.get(path)
            if await self._wants_no_pods(key, first_owner(data)):
                self._idle[key] = time.monotonic()
                await self._update_status(one, set(), "")
                self._reconciler.succeed(key)
                return
            await self._writer.delete(path, one.uid)
            logger.info("deleted Orchestrator/%s: its workload has no injected pod", key)
        except (NotFoundError, ConflictError):
            return
        except KubeError as error:
            self._fail(key, f"Orchestrator/{key}", error.reason, f"cannot be deleted: {error}")

    async def _wants_no_pods(self, key: NamespacedName, owner: Owner | None) -> bool:
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
        self._reconciler.fail(key, Problem(where, reason, message))


def _path(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/orchestrators"


def _unread_key(namespace: str, owner: Owner) -> NamespacedName:
    """The key of a ReplicaSet whose owner is unknown; no Orchestrator has it."""
    return NamespacedName(namespace, f"ReplicaSet/{owner.uid}")
