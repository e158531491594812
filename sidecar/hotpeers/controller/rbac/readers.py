"""Binds the ServiceAccounts of injected pods to the roles that their sidecars need.

Only the leader does this.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from ...base.names import NamespacedName
from ...base.problems import Problem
from ...base.scope import State
from ...inject.annotations import INJECTED_LABEL
from ...kube.client import Client
from ...kube.errors import ConflictError, ForbiddenError, KubeError, NotFoundError
from ...kube.informer.kind import Kind, Version
from ...kube.informer.scope import Scope
from ...model.selector import Selector
from ..election import LeaderClient
from ..reasons import ControllerReason
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
_GATHER_SECONDS = 0.05
_LOOK_SECONDS = 10.0
# A binding is left alone for so long after a failed write, or until the watch reports the write.
_REST_SECONDS = 10.0
_ROLE_SECONDS = 30.0
_AT_ONCE = 8

T = TypeVar("T")


class Readers:
    """Keeps the bindings of all injected pods correct while this replica leads."""

    def __init__(
        self, client: Client, writer: LeaderClient, injectable: Selector | None = None
    ) -> None:
        """`injectable` selects the Namespaces whose accounts may be bound; None selects all."""
        self._writer = writer
        self._news = asyncio.Event()
        self._pods = self._scope(client, _POD, _INJECTED)
        self._namespaces = self._scope(client, _namespaces(injectable or Selector()), {})
        self._bindings = (
            self._scope(client, _ROLE_BINDING, _OURS),
            self._scope(client, _CLUSTER_ROLE_BINDING, _OURS),
        )
        self._idle: dict[NamespacedName, float] = {}
        self._rests: dict[NamespacedName, float] = {}
        self._made: dict[NamespacedName, float] = {}
        self._failures: dict[NamespacedName, Problem] = {}
        self._refused: tuple[Problem, ...] = ()
        self._roles: dict[str, tuple[float, dict[str, Any] | KubeError]] = {}
        self._free = asyncio.Semaphore(_AT_ONCE)

    @property
    def count(self) -> int:
        """The number of bindings that hotpeers created."""
        return sum(one.binding is not None for one in self._existing())

    def problems(self) -> tuple[Problem, ...]:
        """The current problems."""
        unread = [scope.problem for scope in self._scopes() if scope.problem is not None]
        return (*unread, *self._failures.values(), *self._refused)

    async def run(self) -> None:
        """Keep the bindings correct until cancelled."""
        async with asyncio.TaskGroup() as group:
            for scope in self._scopes():
                group.create_task(scope.follow(), name=f"follow {scope.title}")
            group.create_task(self._keep(), name="bind readers")

    async def _keep(self) -> None:
        seconds = _LOOK_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            # Debounce: one plan per burst of watch events.
            await asyncio.sleep(_GATHER_SECONDS)
            self._news.clear()
            if all(scope.listed for scope in self._scopes()):
                plan = self._plan()
                await self._act(plan)
                seconds = _LOOK_SECONDS
                if plan.due is not None:
                    seconds = min(seconds, max(plan.due - time.monotonic(), 0.1))

    def _plan(self) -> Plan:
        invitations = {one.namespace: one for one in self._namespaces.store.values()}
        wanted, self._refused = wanted_bindings(self._pods.store.values(), invitations)
        now = time.monotonic()
        plan = make_plan(wanted, self._existing(), invitations, self._idle, now)
        self._idle = dict(plan.idle)
        keys = {binding.key for binding in plan.creates} | {one.key for one in plan.deletes}
        self._failures = {key: one for key, one in self._failures.items() if key in keys}
        seen = {one.key for one in self._existing()}
        self._rests = {key: until for key, until in self._rests.items() if until > now}
        self._made = {
            key: until for key, until in self._made.items() if until > now and key not in seen
        }
        return plan

    async def _act(self, plan: Plan) -> None:
        # Delete nothing while the watches are out of date: a new pod may need the binding.
        fresh = all(scope.status().state is State.FOLLOWING for scope in self._scopes())
        if fresh:
            await self._each(self._delete, [x for x in plan.deletes if x.key not in self._rests])
        # A changed binding is created again after its deletion.
        waits = {*self._rests, *self._made, *(() if fresh else (x.key for x in plan.deletes))}
        await self._each(self._create, [x for x in plan.creates if x.key not in waits])

    async def _each(self, do: Callable[[T], Coroutine[Any, Any, None]], items: list[T]) -> None:
        async def one(item: T) -> None:
            async with self._free:
                await do(item)

        async with asyncio.TaskGroup() as group:
            for item in items:
                group.create_task(one(item), name="bind")

    async def _create(self, binding: Binding) -> None:
        owner = await self._owner(binding.role)
        if isinstance(owner, NotFoundError):
            message = f"no binding to it can be made: {owner}"
            self._failures[binding.key] = Problem(
                f"ClusterRole/{binding.role}", ControllerReason.ROLE_MISSING, message
            )
            return
        known = owner if isinstance(owner, dict) else None
        try:
            await self._writer.post(_path(binding.place), manifest_of(binding, known))
            self._failures.pop(binding.key, None)
            self._made[binding.key] = time.monotonic() + _REST_SECONDS
            logger.info("bound: %s may read: %s", binding.account, binding)
        except ConflictError as error:
            self._fail(
                binding.key, Problem(str(binding), ControllerReason.BINDING_TAKEN, str(error))
            )
        except ForbiddenError as error:
            # The server's message may be cut off before the missing right, so name that first.
            needed = f"create on it and bind on ClusterRole {binding.role} are needed"
            problem = Problem(str(binding), error.reason, f"{needed}: {error}")
            self._fail(binding.key, problem)
        except KubeError as error:
            self._fail(binding.key, Problem(str(binding), error.reason, str(error)))

    async def _delete(self, one: Existing) -> None:
        place, name = one.key
        try:
            await self._writer.delete(f"{_path(place)}/{name}", one.uid)
            logger.info("unbound: %s", one.binding or name)
        except (NotFoundError, ConflictError):
            pass  # it was deleted or replaced, and the watch will report it
        except KubeError as error:
            kind = f"RoleBinding/{place}" if place else "ClusterRoleBinding"
            self._fail(one.key, Problem(f"{kind}/{name}", error.reason, str(error)))
            return
        self._failures.pop(one.key, None)

    def _fail(self, key: NamespacedName, problem: Problem) -> None:
        self._failures[key] = problem
        self._rests[key] = time.monotonic() + _REST_SECONDS

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

    def _scopes(self) -> tuple[Scope[Any], ...]:
        return (self._pods, self._namespaces, *self._bindings)

    def _scope(self, client: Client, kind: Kind[Any], params: dict[str, str]) -> Scope[Any]:
        changed: Callable[[], None] = self._news.set
        return Scope(client, kind, "", params, changed=changed, restarted=lambda _: None)


def _namespaces(injectable: Selector) -> Kind[Invitation]:
    def read(data: Any) -> Invitation:
        return read_invitation(data, injectable)

    return Kind[Invitation]("Namespace", "", "namespaces", (Version("v1", read),))


def _path(place: str) -> str:
    base = f"/apis/{GROUP}/v1"
    return f"{base}/namespaces/{place}/rolebindings" if place else f"{base}/clusterrolebindings"
