"""Stands in for kagent's controller: creates the pods and the status of all Agents.

Compared with what v0.10.0-rc3 does on the same Agents at a real API server.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from e2e.models import secret_hash
from e2e.site import Key, Site, TranslationError, by_key
from e2e.translator import translate
from e2e.writing import create_or_update
from kit.apiserver.client import Access, Api, ApiError, Object
from kit.apiserver.resources import condition

_VERSION, _KIND = "kagent.dev/v1alpha2", "Agent"
_REFERRED = ("ModelConfig", "RemoteMCPServer")
_LOOK_SECONDS = 0.1
_SECRETS_SECONDS = 1.0
_SECONDS = 30.0


@dataclass
class _Place:
    """One namespace that is seen to; `resync` is in seconds, 0 for never."""

    site: Site
    resync: float = 0.0
    resynced: float = field(default_factory=time.monotonic)

    def is_due(self) -> bool:
        """Whether a full resync is due; resets the timer."""
        if not self.resync or time.monotonic() - self.resynced < self.resync:
            return False
        self.resynced = time.monotonic()
        return True


@dataclass(frozen=True)
class _Found:
    """The objects of all namespaces at one moment."""

    agents: list[Object]
    deployments: dict[Key, Object]
    referred: dict[Key, Object]


class Reconciler:
    """Works from `start` to `close`, in the namespaces given to `follow`.

    Kubernetes garbage-collects its objects with their Agent.
    """

    def __init__(self, access: Access) -> None:
        self.looks = 0
        """How often it has looked at all Agents."""
        self.writes = 0
        """How often it has written an object of an Agent's."""
        self._api = Api(access)
        self._places: dict[str, _Place] = {}
        self._made: dict[str, tuple[str, str]] = {}
        self._ready: dict[str, float] = {}
        self._secrets_read = 0.0
        self._failure: Exception | None = None
        self._looking = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kagent")

    def start(self) -> None:
        self._thread.start()

    def follow(self, namespace: str, site: Site, resync: float = 0.0) -> None:
        """Reconcile all Agents of a namespace from now on.

        With `resync`, all of their objects are written anew every so many seconds, as kagent's
        controller does when it starts or an MCP server is seen again.
        """
        self._places[namespace] = _Place(site, resync)

    def leave(self, namespace: str) -> None:
        """See to them no longer; their pods stay. Nothing is written there once this returns."""
        with self._looking:
            self._places.pop(namespace, None)

    def close(self) -> None:
        """End; raises the exception that ended it earlier, if any."""
        self._stop.set()
        self._thread.join(_SECONDS)
        self._api.close()
        if self._failure is not None:
            raise self._failure

    def ready_at(self, agent: Object) -> float:
        """When it first saw a pod of this Agent available, in seconds since 1970."""
        return self._ready[agent["metadata"]["uid"]]

    # -- below

    def _run(self) -> None:
        try:
            while not self._stop.wait(_LOOK_SECONDS):
                with self._looking:
                    self._look()
                self.looks += 1
        except Exception as error:  # noqa: BLE001 - told by `close`
            self._failure = error

    def _look(self) -> None:
        places = dict(self._places)
        if not places:
            return
        try:
            found = self._find()
            self._hash_secrets(found.referred, places)
        except (ApiError, OSError):
            return  # asked again in a moment
        due = {namespace for namespace, place in places.items() if place.is_due()}
        for agent in found.agents:
            metadata = agent["metadata"]
            namespace = metadata["namespace"]
            if namespace not in places or "deletionTimestamp" in metadata:
                continue
            if namespace in due:
                self._made.pop(metadata["uid"], None)
            whole = {"apiVersion": _VERSION, "kind": _KIND, **agent}
            before = found.deployments.get(("Deployment", namespace, metadata["name"]))
            error = self._make(whole, places[namespace].site, before, found)
            self._tell(whole, error, before)

    def _find(self) -> _Found:
        listed = {kind: self._api.list(_VERSION, kind)["items"] for kind in (_KIND, *_REFERRED)}
        deployments = by_key("Deployment", self._api.list("apps/v1", "Deployment")["items"])
        referred = {
            key: one for kind in _REFERRED for key, one in by_key(kind, listed[kind]).items()
        }
        return _Found(listed[_KIND], deployments, referred)

    def _hash_secrets(self, referred: Mapping[Key, Object], places: Mapping[str, _Place]) -> None:
        """Write the hash of its Secret into the status of each ModelConfig, once a second.

        A Secret that is missing does not count, as in `ReconcileKagentModelConfig`.
        """
        if time.monotonic() - self._secrets_read < _SECRETS_SECONDS:
            return
        self._secrets_read = time.monotonic()
        for (kind, namespace, _), one in referred.items():
            if kind != "ModelConfig" or namespace not in places:
                continue
            digest = secret_hash(self._secrets(namespace, one["spec"].get("apiKeySecret")))
            if one.get("status", {}).get("secretHash") != digest:
                whole = {"apiVersion": _VERSION, "kind": kind, **one}
                self._api.patch(whole, {"status": {"secretHash": digest}}, subresource="status")

    def _secrets(self, namespace: str, name: str | None) -> list[Object]:
        if not name:
            return []
        place = {"name": name, "namespace": namespace}
        try:
            return [self._api.read({"apiVersion": "v1", "kind": "Secret", "metadata": place})]
        except ApiError as error:
            if error.status != 404:
                raise
            return []

    def _make(self, agent: Object, site: Site, before: Object | None, found: _Found) -> str:
        """Make the objects of an Agent that is new or another; why that was not possible.

        kagent looks again where spec or labels change, where what the Agent refers to or its Deployment
        is another, and not by itself where it failed. Other Agents that it refers to do not count.
        """
        metadata = agent["metadata"]
        seen = json.dumps(
            [agent["spec"], metadata.get("labels"), _versions(agent, before, found)], sort_keys=True
        )
        known, said = self._made.get(metadata["uid"], ("", ""))
        if known == seen:
            return said
        said = ""
        objects = {**found.referred, **by_key(_KIND, found.agents)}
        try:
            for one in translate(agent, replace(site, objects=objects)):
                create_or_update(self._api, one)
                self.writes += 1
        except TranslationError as error:
            said = str(error)
        except (ApiError, OSError) as error:
            return str(error)  # tried again in a moment
        self._made[metadata["uid"]] = seen, said
        return said

    def _tell(self, agent: Object, error: str, deployment: Object | None) -> None:
        """Write the status of an Agent if it changed.

        kagent writes one condition at a time: Ready once Accepted stands, when it hears of the Deployment.
        One that was never accepted has no Ready.
        """
        generation = agent["metadata"]["generation"]
        said = {one["type"]: one for one in agent.get("status", {}).get("conditions") or []}
        wanted = {**_accepted(error), "observedGeneration": generation}
        if _same(wanted, said.get("Accepted", {})):
            if deployment is None:
                return
            wanted = {**self._readiness(agent, deployment), "observedGeneration": generation}
            if _same(wanted, said.get("Ready", {})):
                return
        conditions = list({**said, wanted["type"]: wanted}.values())
        change = {"status": {"conditions": conditions, "observedGeneration": generation}}
        try:
            self._api.patch(agent, change, subresource="status")
        except (ApiError, OSError):
            return  # it is gone, or asked again in a moment

    def _readiness(self, agent: Object, deployment: Object) -> Object:
        available = deployment.get("status", {}).get("availableReplicas", 0)
        if available:
            self._ready.setdefault(agent["metadata"]["uid"], time.time())
            return _condition("Ready", "True", "DeploymentReady", "Deployment is ready")
        replicas = deployment["spec"].get("replicas", 1)
        message = f"Deployment is not ready, 0/{replicas} pods are ready"
        return _condition("Ready", "False", "DeploymentNotReady", message)


def _versions(agent: Object, deployment: Object | None, found: _Found) -> list[str]:
    """The versions of the objects whose change has kagent look at an Agent again.

    All MCP servers, and the ModelConfigs of its namespace: more than the Agent refers to.
    """
    namespace = agent["metadata"]["namespace"]
    near = [
        one
        for (kind, where, _), one in sorted(found.referred.items())
        if kind == "RemoteMCPServer" or where == namespace
    ]
    whole = [deployment] if deployment is not None else []
    return [one["metadata"]["resourceVersion"] for one in (*whole, *near)]


def _accepted(error: str) -> Object:
    if error:
        return _condition("Accepted", "False", "ReconcileFailed", error)
    return _condition("Accepted", "True", "Reconciled", "Agent configuration accepted")


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {**condition(kind, status, reason), "message": message}


def _same(one: Object, other: Object) -> bool:
    keys: tuple[Any, ...] = ("type", "status", "reason", "message", "observedGeneration")
    return all(one.get(key) == other.get(key) for key in keys)
