"""Agents as their authors write them: all of a pod's settings stand in the Agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e.site import KAGENT_PROBE, PORT, QUICK_PROBE, Site
from e2e.translator import translate
from kit.apiserver.client import Object
from kit.apiserver.resources import agent
from kit.node.images import KAGENT, PEER

RESTRICTED_POD = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
SCRIPTED = "scripted"
"""The ModelConfig of every Agent here."""
# kagent asks for 100m and 384Mi; a machine of two cores shall hold a dozen of these.
_RESOURCES = {"requests": {"cpu": "10m", "memory": "64Mi"}}


@dataclass(frozen=True)
class Agent:
    """An Agent; `annotations` and `labels` are those of its deployment.

    An image other than kagent's makes it one of type BYO. Its security contexts are those that a
    namespace of level `restricted` demands.
    """

    namespace: str
    name: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    own_labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    image: str = KAGENT
    model_url: str = ""
    probe: Mapping[str, Any] = field(default_factory=lambda: KAGENT_PROBE)

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
        deployment = {
            "annotations": dict(self.annotations),
            "labels": dict(self.labels),
            "env": [{"name": name, "value": value} for name, value in self.env.items()],
            "resources": _RESOURCES,
            "podSecurityContext": RESTRICTED_POD,
            "securityContext": RESTRICTED,
        }
        if self.image == KAGENT:
            declarative = {
                "runtime": "python",
                "modelConfig": SCRIPTED,
                "systemMessage": "You answer by asking the agents that you have as tools.",
                "deployment": deployment,
            }
            kind: Object = {"type": "Declarative", "declarative": declarative}
        else:
            kind = {"type": "BYO", "byo": {"deployment": {**deployment, "image": self.image}}}
        about = f"Knows about {self.name}."
        made = agent(self.namespace, self.name, labels=self.own_labels, description=about, **kind)
        if kind["type"] == "BYO":
            del made["spec"]["declarative"]
        return made

    def objects(self, uid: str) -> list[Object]:
        """The objects that kagent's controller creates for this uid, the Deployment last."""
        manifest = self.manifest
        manifest["metadata"]["uid"] = uid
        return translate(manifest, Site({SCRIPTED: self.model_url}, self.probe))


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
