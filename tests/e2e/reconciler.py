"""Stands in for kagent's controller: Agents that anybody writes get their pods, and their status.

Compared with what v0.10.0-rc3 does on the same Agents at a real API server.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from cluster.client import Access, Api, ApiError, Object
from cluster.resources import condition
from e2e.translator import Site, TranslationError, translate

_VERSION, _KIND = "kagent.dev/v1alpha2", "Agent"
_LOOK_SECONDS = 0.1
_SECONDS = 30.0


class Reconciler:
    """Works from `start` to `close`, in the namespaces that it was told to `follow`.

    What it makes goes with its Agent: Kubernetes' garbage collection sees to that.
    """

    def __init__(self, access: Access) -> None:
        self._api = Api(access)
        self._sites: dict[str, Site] = {}
        self._made: dict[str, tuple[str, str]] = {}
        self._ready: dict[str, float] = {}
        self._failure: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kagent")

    def start(self) -> None:
        self._thread.start()

    def follow(self, namespace: str, site: Site) -> None:
        """See to all Agents of a namespace from now on."""
        self._sites[namespace] = site

    def leave(self, namespace: str) -> None:
        """See to them no longer; their pods stay."""
        del self._sites[namespace]

    def close(self) -> None:
        """End; raises what ended it before, if something did."""
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
                for namespace, site in tuple(self._sites.items()):
                    self._look(namespace, site)
        except Exception as error:  # noqa: BLE001 - told by `close`
            self._failure = error

    def _look(self, namespace: str, site: Site) -> None:
        try:
            agents = self._api.list(_VERSION, _KIND, namespace)["items"]
            found = self._api.list("apps/v1", "Deployment", namespace)["items"]
        except OSError:
            return  # asked again in a moment
        deployments = {one["metadata"]["name"]: one for one in found}
        for agent in agents:
            metadata = agent["metadata"]
            if "deletionTimestamp" in metadata:
                continue
            whole = {"apiVersion": _VERSION, "kind": _KIND, **agent}
            before = deployments.get(metadata["name"])
            error = self._make(whole, site, before)
            self._tell(whole, error, before)

    def _make(self, agent: Object, site: Site, before: Object | None) -> str:
        """Make the objects of an Agent that is new or another; why that was not possible.

        kagent looks again where spec or labels change, and not by itself where it failed. It takes no
        annotation of pods away that the Deployment had `before` (`mutatePodTemplate` in its mutate.go).
        """
        metadata = agent["metadata"]
        seen = json.dumps([agent["spec"], metadata.get("labels")], sort_keys=True)
        known, said = self._made.get(metadata["uid"], ("", ""))
        if known == seen:
            return said
        said = ""
        try:
            for one in translate(agent, site):
                if before is not None and one["kind"] == "Deployment":
                    _merge_annotations(before, one)
                self._api.apply(one)
        except TranslationError as error:
            said = str(error)
        except (ApiError, OSError) as error:
            return str(error)  # tried again in a moment
        self._made[metadata["uid"]] = seen, said
        return said

    def _tell(self, agent: Object, error: str, deployment: Object | None) -> None:
        """Say in its status how an Agent is, if that is not said yet.

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


def _merge_annotations(before: Object, deployment: Object) -> None:
    merged, had = (one["spec"]["template"]["metadata"] for one in (deployment, before))
    merged["annotations"] = {**had.get("annotations", {}), **merged.get("annotations", {})}


def _accepted(error: str) -> Object:
    if error:
        return _condition("Accepted", "False", "ReconcileFailed", error)
    return _condition("Accepted", "True", "Reconciled", "Agent configuration accepted")


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {**condition(kind, status, reason), "message": message}


def _same(one: Object, other: Object) -> bool:
    keys: tuple[Any, ...] = ("type", "status", "reason", "message", "observedGeneration")
    return all(one.get(key) == other.get(key) for key in keys)
