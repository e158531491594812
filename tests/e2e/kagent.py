"""Agents and what kagent's controller makes of them.

Read in v0.10.0-rc3: `translator/agent/manifest_builder.go` and the golden files beside it. There is
no controller here, so that these functions stand in its place; owners, labels, names, probes,
arguments and volumes are its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.client import Object
from cluster.resources import agent
from node.images import KAGENT, PEER

PORT = 8080
RESTRICTED_POD = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_PROBE = {
    "httpGet": {"path": "/.well-known/agent-card.json", "port": "http"},
    "initialDelaySeconds": 15,
    "periodSeconds": 15,
    "timeoutSeconds": 15,
}
QUICK_PROBE = {**_PROBE, "initialDelaySeconds": 0, "periodSeconds": 1}
_TOKEN = {"audience": "kagent", "expirationSeconds": 3600, "path": "kagent-token"}


@dataclass(frozen=True)
class Agent:
    """An Agent as its author writes it; `annotations` and `labels` are those of its deployment."""

    namespace: str
    name: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    own_labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    image: str = KAGENT
    model_url: str = ""
    probe: Mapping[str, Any] = field(default_factory=lambda: _PROBE)
    """kagent's own; `QUICK_PROBE` where nothing is measured."""

    @property
    def url(self) -> str:
        """Where other agents find it."""
        return f"http://{self.name}.{self.namespace}:{PORT}"

    @property
    def selector(self) -> dict[str, str]:
        """The labels by which its pods are found."""
        return {"app": "kagent", "kagent": self.name}

    @property
    def manifest(self) -> Object:
        """The Agent itself."""
        deployment = {"annotations": dict(self.annotations), "labels": dict(self.labels)}
        return agent(
            self.namespace,
            self.name,
            labels=self.own_labels,
            description=f"Knows about {self.name}.",
            declarative={"runtime": "python", "deployment": deployment},
        )

    def objects(self, uid: str) -> list[Object]:
        """What the controller makes of an Agent of that uid, the Deployment last."""
        secret = self._secret()
        text = json.dumps(secret["stringData"], sort_keys=True)
        config_hash = str(int(hashlib.sha256(text.encode()).hexdigest()[:16], 16))
        made = [secret, self._service_account(), self._service(), self._deployment(config_hash)]
        owner = {
            "apiVersion": "kagent.dev/v1alpha2",
            "kind": "Agent",
            "name": self.name,
            "uid": uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
        for one in made:
            one["metadata"]["ownerReferences"] = [owner]
        return made

    def _object(self, version: str, kind: str, **content: Any) -> Object:
        metadata = {"name": self.name, "namespace": self.namespace, "labels": self._all_labels}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}

    @property
    def _all_labels(self) -> dict[str, str]:
        usual = {
            "app.kubernetes.io/managed-by": "kagent",
            "app.kubernetes.io/name": self.name,
            "app.kubernetes.io/part-of": "kagent",
        }
        return {**self.selector, **usual, **self.labels}

    def _secret(self) -> Object:
        config = {
            "model": {"type": "openai", "model": "scripted", "base_url": self.model_url},
            "description": f"Knows about {self.name}.",
            "instruction": "You answer by asking the agents that you have as tools.",
            "stream": False,
        }
        card = {
            "name": self.name.replace("-", "_"),
            "description": f"Knows about {self.name}.",
            "url": self.url,
            "version": "",
            "protocolVersion": "0.3",
            "preferredTransport": "JSONRPC",
            "capabilities": {"streaming": True},
            "defaultInputModes": ["text"],
            "defaultOutputModes": ["text"],
            "skills": [],
        }
        data = {"config.json": json.dumps(config), "agent-card.json": json.dumps(card)}
        return self._object("v1", "Secret", stringData=data)

    def _service_account(self) -> Object:
        return self._object("v1", "ServiceAccount")

    def _service(self) -> Object:
        ports = [{"name": "http", "port": PORT, "targetPort": PORT}]
        spec = {"type": "ClusterIP", "selector": self.selector, "ports": ports}
        return self._object("v1", "Service", spec=spec)

    def _deployment(self, config_hash: str) -> Object:
        annotations = {**self.annotations, "kagent.dev/config-hash": config_hash}
        template = {
            "metadata": {"annotations": annotations, "labels": self._all_labels},
            "spec": self.pod_spec(),
        }
        strategy = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        }
        spec = {"selector": {"matchLabels": self.selector}, "strategy": strategy}
        return self._object("apps/v1", "Deployment", spec={**spec, "template": template})

    def pod_spec(self) -> Object:
        """The pod, with the security contexts that a namespace of level `restricted` demands."""
        token = {"sources": [{"serviceAccountToken": _TOKEN}]}
        return {
            "serviceAccountName": self.name,
            "securityContext": RESTRICTED_POD,
            "containers": [self._container()],
            "volumes": [
                {"name": "config", "secret": {"secretName": self.name}},
                {"name": "kagent-token", "projected": token},
            ],
        }

    def _container(self) -> Object:
        own = {"OPENAI_API_KEY": "none-is-needed", **self.env}
        namespace = {"fieldRef": {"fieldPath": "metadata.namespace"}}
        env = [
            *({"name": name, "value": value} for name, value in own.items()),
            {"name": "KAGENT_NAMESPACE", "valueFrom": namespace},
            {"name": "KAGENT_NAME", "value": self.name},
            {"name": "KAGENT_URL", "value": "http://kagent-controller.kagent:8083"},
        ]
        arguments = ["--host", "0.0.0.0", "--port", str(PORT), "--filepath", "/config"]
        return {
            "name": "kagent",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "args": arguments,
            "env": env,
            "ports": [{"name": "http", "containerPort": PORT}],
            # kagent asks for 200m and 684Mi; a machine of two cores shall hold a dozen of these.
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
            "readinessProbe": dict(self.probe),
            "securityContext": RESTRICTED,
            "volumeMounts": [
                {"name": "config", "mountPath": "/config"},
                {"name": "kagent-token", "mountPath": "/var/run/secrets/tokens"},
            ],
        }


def sub_agent(namespace: str, name: str, says: str, **own_labels: str) -> Agent:
    """An Agent that answers with the same words: kagent's objects, and a light program in its pod."""
    url = f"http://{name}.{namespace}:{PORT}"
    return Agent(
        namespace,
        name,
        own_labels=own_labels,
        env={"NAME": name, "SAYS": says, "URL": url},
        image=PEER,
        probe=QUICK_PROBE,
    )
