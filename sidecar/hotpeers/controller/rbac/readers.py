"""Binds the ServiceAccounts of injected pods to the roles that their sidecars need.

Only the leader does this.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

from ...base.names import NamespacedName
from ...base.problems import Problem
from ...inject.annotations import INJECTED_LABEL
from ...kube.client import Client
from ...kube.errors import ConflictError, ForbiddenError, KubeError, NotFoundError
from ...kube.informer.kind import Kind, Version
from ...model.selector import Selector
from ..election import LeaderClient
from ..reasons import ControllerReason
from ..reconciler import REST_SECONDS, Reconciler
from .grants import (
    GROUP,
    MANAGED_BY,
    Binding,
    Existing,
    Invitation,
    Orchestrator,
    Plan,
    make_plan,
    manifest_of,
    read_binding,
    read_invitation,
    read_pod,
    wanted_bindings,
)

logger = logging.getLogger(__name__)

_POD = Kind[Orchestrator]("Pod", "", "pods", (Version("v1", read_pod),), lingers=True)
_ROLE_BINDING = Kind[Existing]("RoleBinding", GROUP, "rolebindings", (Version("v1", read_binding),))
_CLUSTER_ROLE_BINDING = Kind[Existing](
    "ClusterRoleBinding", GROUP, "clusterrolebindings", (Version("v1", read_binding),)
)
_INJECTED = {"labelSelector": f"{INJECTED_LABEL}=true"}
_OURS = {"labelSelector": "=".join(MANAGED_BY)}
_LOOK_SECONDS = 10.0
_ROLE_SECONDS = 30.0
_AT_ONCE = 8


class Readers:
    """Keeps the bindings of all injected pods correct while this replica leads."""

    def __init__(
        self, client: Client, writer: LeaderClient, injectable: Selector | None = None
    ) -> None:
        """`injectable` selects the Namespaces whose accounts may be bound; None selects all."""
        self._writer = writer
        self._reconciler: Reconciler[NamespacedName] = Reconciler(
            "bind readers", self._pass, resync=_LOOK_SECONDS, at_once=_AT_ONCE
        )
        watch = self._reconciler.watch
        self._pods = watch(client, _POD, params=_INJECTED)
        self._namespaces = watch(client, _namespaces(injectable or Selector()))
        self._bindings = (
            watch(client, _ROLE_BINDING, params=_OURS),
            watch(client, _CLUSTER_ROLE_BINDING, params=_OURS),
        )
        self._idle: dict[NamespacedName, float] = {}
        self._made: dict[NamespacedName, float] = {}
        self._refused: tuple[Problem, ...] = ()
        self._roles: dict[str, tuple[float, dict[str, Any] | KubeError]] = {}

    @property
    def count(self) -> int:
        """The number of bindings that hotpeers created."""
        return sum(one.binding is not None for one in self._existing())

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        return (*self._reconciler.problems(), *self._refused)

    async def run(self) -> None:
        """Keep the bindings correct until cancelled."""
        await self._reconciler.run()

    async def _pass(self) -> None:
        plan = self._plan()
        await self._act(plan)
        if plan.due is not None:
            self._reconciler.requeue(max(plan.due - time.monotonic(), 0.1))

    def _plan(self) -> Plan:
        invitations = {one.namespace: one for one in self._namespaces.store.values()}
        wanted, self._refused = wanted_bindings(self._pods.store.values(), invitations)
        now = time.monotonic()
        plan = make_plan(wanted, self._existing(), invitations, self._idle, now)
        self._idle = dict(plan.idle)
        keys = {binding.key for binding in plan.creates} | {one.key for one in plan.deletes}
        self._reconciler.keep(keys)
        seen = {one.key for one in self._existing()}
        self._made = {
            key: until for key, until in self._made.items() if until > now and key not in seen
        }
        return plan

    async def _act(self, plan: Plan) -> None:
        # Delete nothing while the watches are out of date: a new pod may need the binding.
        fresh, rests = self._reconciler.up_to_date, self._reconciler.rests
        if fresh:
            deletes = [partial(self._delete, x) for x in plan.deletes if not rests(x.key)]
            await self._reconciler.each(deletes)
        # A changed binding is created again after its deletion.
        waits = {*self._made, *(() if fresh else (one.key for one in plan.deletes))}
        creates = [one for one in plan.creates if one.key not in waits and not rests(one.key)]
        await self._reconciler.each(partial(self._create, one) for one in creates)

    async def _create(self, binding: Binding) -> None:
        owner = await self._owner(binding.role)
        if isinstance(owner, NotFoundError):
            message = f"no binding to it can be made: {owner}"
            problem = Problem(f"ClusterRole/{binding.role}", ControllerReason.ROLE_MISSING, message)
            self._reconciler.fail(binding.key, problem, 0.0)
            return
        known = owner if isinstance(owner, dict) else None
        try:
            await self._writer.post(_path(binding.place), manifest_of(binding, known))
            self._reconciler.succeed(binding.key)
            self._made[binding.key] = time.monotonic() + REST_SECONDS
            logger.info("bound: %s may read: %s", binding.account, binding)
        except ConflictError as error:
            self._reconciler.fail(
                binding.key, Problem(str(binding), ControllerReason.BINDING_TAKEN, str(error))
            )
        except ForbiddenError as error:
            # The server's message may be cut off before the missing right, so name that first.
            needed = f"create on it and bind on ClusterRole {binding.role} are needed"
            problem = Problem(str(binding), error.reason, f"{needed}: {error}")
            self._reconciler.fail(binding.key, problem)
        except KubeError as error:
            self._reconciler.fail(binding.key, Problem(str(binding), error.reason, str(error)))

    async def _delete(self, one: Existing) -> None:
        place, name = one.key
        try:
            await self._writer.delete(f"{_path(place)}/{name}", one.uid)
            logger.info("unbound: %s", one.binding or name)
        except (NotFoundError, ConflictError):
            pass  # it was deleted or replaced, and the watch will report it
        except KubeError as error:
            kind = f"RoleBinding/{place}" if place else "ClusterRoleBinding"
            self._reconciler.fail(one.key, Problem(f"{kind}/{name}", error.reason, str(error)))
            return
        self._reconciler.succeed(one.key)

    async def _owner(self, role: str) -> dict[str, Any] | KubeError:
        """The ownerReference to the ClusterRole, so that its bindings are deleted with it.

        Returns the error instead if the ClusterRole cannot be read.
        """
        read, found = self._roles.get(role, (0.0, None))
        if found is not None and time.monotonic() - read < _ROLE_SECONDS:
            return found
        answer: dict[str, Any] | KubeError
        try:
            data = await self._writer.get(f"/apis/{GROUP}/v1/clusterroles/{role}")
            uid = str(data["metadata"]["uid"])
            answer = {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", "name": role, "uid": uid}
        except KubeError as error:
            answer = error
            if not isinstance(error, NotFoundError):
                logger.warning(
                    "bindings to ClusterRole %s will outlive it: %s: %s",
                    role,
                    error.reason.value,
                    error,
                )
        self._roles[role] = (time.monotonic(), answer)
        return answer

    def _existing(self) -> list[Existing]:
        return [one for scope in self._bindings for one in scope.store.values()]


def _namespaces(injectable: Selector) -> Kind[Invitation]:
    def read(data: Any) -> Invitation:
        return read_invitation(data, injectable)

    return Kind[Invitation]("Namespace", "", "namespaces", (Version("v1", read),))


def _path(place: str) -> str:
    base = f"/apis/{GROUP}/v1"
    return f"{base}/namespaces/{place}/rolebindings" if place else f"{base}/clusterrolebindings"
