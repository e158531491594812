"""A held orchestrator on an API server without kubelet and controllers: kagent, the Deployment
controller and the sidecars of pods are stood in for, each by real requests and real HTTP servers.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.resources import agent, is_served
from kit.waiting import until

S_HASH = "ab" * 32
REVISION = "deployment.kubernetes.io/revision"
HASH = "kagent.dev/config-hash"


def install_kinds(api: Api) -> None:
    """ModelConfig and RemoteMCPServer of kagent, any fields allowed."""
    for kind, plural in (("ModelConfig", "modelconfigs"), ("RemoteMCPServer", "remotemcpservers")):
        anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {
            "name": "v1alpha2",
            "served": True,
            "storage": True,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {**anything, "properties": {"status": anything}}},
        }
        names = {"kind": kind, "plural": plural, "singular": plural[:-1], "listKind": f"{kind}List"}
        crd = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.kagent.dev"},
            "spec": {
                "group": "kagent.dev",
                "scope": "Namespaced",
                "names": names,
                "versions": [version],
            },
        }
        api.apply(crd)
        until(f"{plural} to be served", lambda crd=crd: is_served(api, crd), 60.0)


def model(namespace: str, secret_hash: str = S_HASH) -> Object:
    return {
        "apiVersion": "kagent.dev/v1alpha2",
        "kind": "ModelConfig",
        "metadata": {"name": "small", "namespace": namespace},
        "status": {"secretHash": secret_hash},
    }


Says = Callable[[Object], tuple[int, dict[str, str], bytes] | Object]
"""What a sidecar answers, by the request that stands on its pod: JSON, or status, headers and body."""


def live(held: Object) -> Object:
    """Every process has what is asked for, and no turn runs."""
    config = {"state": "live", "hash": held.get("hash", ""), "time": 1.0}
    return {"acks": [{"config": config}], "turns": {"active": 0, "idleSeconds": 9999.0}}


def saying(state: str, **more: Any) -> Says:
    """A process that says the same whatever is asked for."""
    config = {"state": state, "hash": "", "time": time.time(), **more}
    return lambda _held: {"acks": [{"config": config}], "turns": {"active": 1}}


class Sidecar:
    """A real HTTP server of one pod. Set `says` to what it is to answer."""

    def __init__(self, api: Api, pod: Object, says: Says) -> None:
        self.says, self.asked = says, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                written = api.read(pod)["metadata"].get("annotations", {})
                found = outer.says(json.loads(written.get("hotpeers.dev/held-config", "{}")))
                status, headers, body = (
                    (200, {}, json.dumps(found).encode()) if isinstance(found, dict) else found
                )
                with suppress(OSError):
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Orchestrator:
    """The Agent `lead` of a namespace, with its Deployment and pods."""

    api: Api
    namespace: str
    kagent: Api
    name: str = "lead"
    says: Says = live
    sidecars: dict[str, Sidecar] = field(default_factory=dict)
    sets: int = 0
    hot: str = "true"

    def create(self, config: str, replicas: int = 1) -> None:
        api, namespace = self.api, self.namespace
        with suppress(ApiError):
            api.create({k: v for k, v in model(namespace).items() if k != "status"})
        api.patch(model(namespace), {"status": model(namespace)["status"]}, "status")
        declarative = {"modelConfig": "small"}
        made = api.create(agent(namespace, self.name, declarative=declarative))
        self.uid = made["metadata"]["uid"]
        manifest = self.manifest(config)
        manifest["spec"]["replicas"] = replicas
        self.kagent.create(manifest)
        self.roll()

    @property
    def reference(self) -> Object:
        metadata = {"name": self.name, "namespace": self.namespace}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}

    def read(self) -> Object:
        return self.api.read(self.reference)

    def manifest(self, config: str) -> Object:
        """As kagent's translator has it: without defaults."""
        labels = {"app": "kagent", "kagent": self.name}
        annotations = {
            "hotpeers.dev/inject": "true",
            "hotpeers.dev/hot-config": self.hot,
            HASH: config,
        }
        owner = {
            "apiVersion": "kagent.dev/v1alpha2",
            "kind": "Agent",
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
        container = {
            "name": "kagent",
            "image": "app:0.10.4",
            "resources": {"requests": {"cpu": "0.1", "memory": "384Mi"}},
            "env": [{"name": "A", "value": "b"}],
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
        }
        made = self.reference
        made["metadata"] |= {"labels": labels, "ownerReferences": [owner]}
        made["spec"] = {
            "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {"containers": [container]},
            },
        }
        return made

    def sync(self, config: str, change: Callable[[Object], None] = lambda _one: None) -> Object:
        """As kagent's `createOrUpdate` does: what is there, with labels and annotations merged."""
        while True:
            existing, desired = self.read(), self.manifest(config)
            change(desired)
            existing["spec"]["strategy"] = desired["spec"]["strategy"]
            template, wanted = existing["spec"]["template"], desired["spec"]["template"]
            template["metadata"]["annotations"] |= wanted["metadata"]["annotations"]
            template["spec"] = wanted["spec"]
            try:
                stored = self.kagent.request("PUT", self.api.path(self.reference), existing)
            except ApiError as error:
                if error.status != 409:
                    raise
            else:
                return self.observe(stored)

    def observe(self, stored: Object) -> Object:
        """As the Deployment controller does: annotations, too, are a new generation."""
        generation = stored["metadata"]["generation"]
        if stored.get("status", {}).get("observedGeneration") == generation:
            return stored
        return self.api.patch(stored, {"status": {"observedGeneration": generation}}, "status")

    def roll(self, *, ready: bool = True) -> None:
        """As the Deployment controller does: new pods of the template, and none of the old one."""
        self.sets += 1
        self.stop()
        one = self.read()
        replicas = one["spec"]["replicas"]
        self.api.patch(one, {"metadata": {"annotations": {REVISION: str(self.sets)}}}, "status")
        labels = {
            **one["spec"]["template"]["metadata"]["labels"],
            "pod-template-hash": str(self.sets),
        }
        template = copy.deepcopy(one["spec"]["template"])
        template["metadata"]["labels"] = labels
        self.set = self.api.create(
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {
                    "name": f"{self.name}-{self.sets}",
                    "namespace": self.namespace,
                    "labels": labels,
                    "annotations": {REVISION: str(self.sets)},
                    "ownerReferences": [_owner(one)],
                },
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": labels},
                    "template": template,
                },
            }
        )
        for _ in range(replicas):
            self.add_pod(ready=ready)
        self.report()

    def report(self, **change: Any) -> None:
        """Write the Deployment's status."""
        one = self.read()
        count = len(self.sidecars)
        status = {
            "observedGeneration": one["metadata"]["generation"],
            "replicas": count,
            "updatedReplicas": count,
            "readyReplicas": count,
            "availableReplicas": count,
            **change,
        }
        self.api.patch(one, {"status": status}, "status")

    def add_pod(self, *, ready: bool = True, sidecar: bool = True, **spec: Any) -> Object:
        """A pod of the newest ReplicaSet."""
        name = f"{self.name}-{self.sets}-{uuid4().hex[:5]}"
        pod: Object = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": self.set["spec"]["selector"]["matchLabels"],
                "ownerReferences": [_owner(self.set)],
            },
        }
        made = Sidecar(self.api, copy.deepcopy(pod), lambda held: self.says(held))  # noqa: PLW0108 - as it is then
        containers = [{"name": "kagent", "image": "a"}]
        if sidecar:
            ports = [{"containerPort": made.port}]
            containers.append({"name": "hotpeers", "image": "a", "ports": ports})
        pod["spec"] = {"containers": containers, **spec}
        self.api.create(pod)
        self.sidecars[name] = made
        self.set_ready(name, ready=ready)
        return pod

    def set_ready(self, name: str, *, ready: bool = True, waiting: str = "") -> None:
        states = [
            {"name": "kagent", "ready": ready, "image": "a", "imageID": "", "restartCount": 0}
        ]
        if waiting:
            states[0]["state"] = {"waiting": {"reason": waiting}}
        status = {
            "phase": "Running",
            "podIP": "127.0.0.1",
            "podIPs": [{"ip": "127.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": states,
        }
        self.api.patch(self.pod(name), {"status": status}, "status")

    def pod(self, name: str) -> Object:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}

    def stop(self) -> None:
        """Remove all pods."""
        for name in list(self.sidecars):
            self.remove(name)

    def remove(self, name: str) -> None:
        self.sidecars.pop(name).stop()
        with suppress(ApiError):
            self.api.delete(self.pod(name), gracePeriodSeconds=0)

    # -- what tests look at

    @property
    def running(self) -> str:
        return str(self.read()["spec"]["template"]["metadata"]["annotations"][HASH])

    @property
    def held(self) -> str:
        """The hash that is held back; "" where none is."""
        return str(
            self.read()["metadata"].get("annotations", {}).get("hotpeers.dev/held-config-hash", "")
        )

    def versions(self) -> tuple[str, ...]:
        """The resourceVersions of all that could be written to."""
        pods = [self.pod(name) for name in self.sidecars]
        return tuple(
            self.api.read(one)["metadata"]["resourceVersion"] for one in (self.reference, *pods)
        )

    def asked_for(self) -> list[Object]:
        """What the pods are asked to follow."""
        found = [
            self.api.read(self.pod(name))["metadata"].get("annotations", {})
            for name in self.sidecars
        ]
        return [json.loads(one.get("hotpeers.dev/held-config", "{}")) for one in found]

    def events(self) -> list[str]:
        found = self.api.list("v1", "Event", self.namespace)["items"]
        return [one["reason"] for one in found if one["involvedObject"]["name"] == self.name]


def _owner(made: Object) -> Object:
    return {
        "apiVersion": made.get("apiVersion", "apps/v1"),
        "kind": made["kind"],
        "name": made["metadata"]["name"],
        "uid": made["metadata"]["uid"],
        "controller": True,
    }


@contextmanager
def orchestrator(api: Api, namespace: str, kagent: Api | None = None) -> Iterator[Orchestrator]:
    made = Orchestrator(api, namespace, kagent or api)
    try:
        yield made
    finally:
        made.stop()
        for kind in ("ReplicaSet", "Deployment"):
            for one in api.list("apps/v1", kind, namespace)["items"]:
                with suppress(ApiError):
                    api.delete({"apiVersion": "apps/v1", "kind": kind, **one})
