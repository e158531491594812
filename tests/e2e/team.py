"""A namespace in which an orchestrator may spawn agents: its SpawnPolicy, its rights, its talk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cluster.client import ApiError, Object
from cluster.processes import until
from e2e.crew import INJECT
from e2e.kagent import SCRIPTED, Agent
from e2e.pods import Pod, list_pods
from e2e.reconciler import Reconciler
from e2e.stage import Stage
from e2e.talk import Conversation
from e2e.translator import KAGENT_PROBE, QUICK_PROBE, Site
from node.node import is_true

SPAWN = {**INJECT, "hotpeers.dev/spawn": "true"}
LEAD = "lead"
_RBAC = "rbac.authorization.k8s.io"
_AGENT = "kagent.dev/v1alpha2"
_MADE = (("v1", "Secret"), ("v1", "ServiceAccount"), ("v1", "Service"), ("apps/v1", "Deployment"))
_SECONDS = 60.0


def policy(namespace: str) -> Object:
    """A SpawnPolicy that lets the lead spawn helpers, and deputies that spawn helpers too."""
    spec = {
        "subjects": [{"kind": "Agent", "name": LEAD}],
        "targetNamespaces": [namespace],
        "names": ["helper-*", "deputy-*"],
        "templates": {"registry": ["acme.translator@latest"]},
        "types": ["Declarative"],
        "runtimes": ["python"],
        "modelConfigs": [SCRIPTED],
        "maxPromptLength": 4000,
        "allowOrchestrators": True,
        "limits": {
            "maxAgents": 5,
            "creates": {"count": 50, "window": "1h"},
            "maxDepth": 2,
            "ttl": {"default": "30m", "max": "2h"},
            "resources": {"cpu": "1", "memory": "1Gi"},
        },
    }
    metadata = {"name": "helpers", "namespace": namespace}
    version = "hotpeers.dev/v1alpha1"
    return {"apiVersion": version, "kind": "SpawnPolicy", "metadata": metadata, "spec": spec}


def spawners(namespace: str, accounts: Sequence[str]) -> Object:
    """The binding by which an operator gives these accounts the rights that the tools need."""
    subjects = [
        {"kind": "ServiceAccount", "name": name, "namespace": namespace} for name in accounts
    ]
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "spawners", "namespace": namespace},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "hotpeers-spawner"},
        "subjects": subjects,
    }


def helper(namespace: str, name: str, answer: str, *, ttl: str = "", **annotations: str) -> Object:
    """An Agent as a model writes it; `annotations` are those of its deployment."""
    declarative: Object = {
        "runtime": "python",
        "modelConfig": SCRIPTED,
        "systemMessage": f"Answer every question with: {answer}",
    }
    if annotations:
        declarative["deployment"] = {"annotations": annotations}
    metadata: Object = {"name": name, "namespace": namespace}
    if ttl:
        metadata["annotations"] = {"hotpeers.dev/ttl": ttl}
    spec = {"type": "Declarative", "description": f"Is {name}.", "declarative": declarative}
    return {"apiVersion": _AGENT, "kind": "Agent", "metadata": metadata, "spec": spec}


class Dialogue:
    """One conversation with an orchestrator, whose model does as it is told."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation

    def use(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Have the model call one tool; what the tool answered, as the model repeats it."""
        said = self.say(f"Call {tool} with {json.dumps(arguments)}")
        try:
            return dict(json.loads(said))
        except ValueError:
            raise AssertionError(f"{tool} answered: {said}") from None

    def apply(self, manifest: Object) -> dict[str, Any]:
        """Have the model apply a manifest of its own."""
        return self.use("k8s_apply_manifest", manifest=json.dumps(manifest))

    def say(self, text: str) -> str:
        return self.conversation.say(text)


@dataclass
class Team:
    """One lead that runs, in a namespace of its own."""

    stage: Stage
    lead: Agent
    began: Pod

    @classmethod
    def start(cls, stage: Stage, reconciler: Reconciler, *, quick: bool = True) -> Team:
        """Do what an operator does, then start the lead; `quick` is how pods are probed."""
        lead = stage.agent(LEAD, annotations=SPAWN)
        site = Site({SCRIPTED: lead.model_url}, QUICK_PROBE if quick else KAGENT_PROBE)
        stage.api.create(policy(stage.namespace))
        stage.api.create(spawners(stage.namespace, [LEAD, "deputy-one", "helper-deep"]))
        reconciler.follow(stage.namespace, site)
        stage.api.create(lead.manifest)
        team = cls(stage, lead, stage.wait(lead))
        team.wait_until_governed()
        return team

    def talk(self, agent: Agent | None = None) -> Dialogue:
        """Begin a conversation with the lead, or another."""
        return Dialogue(self.stage.talk(agent or self.lead))

    def read(self, name: str) -> Object:
        """An Agent of the namespace as it is now."""
        place = {"name": name, "namespace": self.stage.namespace}
        return self.stage.api.read({"apiVersion": _AGENT, "kind": "Agent", "metadata": place})

    def wait_until_governed(self) -> None:
        """Wait until the guard is asked about everything that the lead writes."""
        until("the policy to be ready", lambda: is_true(self._policy(), "Ready") or None, _SECONDS)

    def wait_until_alive(self, count: int) -> None:
        """Wait until the policy's status counts that many agents."""

        def counts() -> bool | None:
            return self._policy().get("status", {}).get("agentsAlive") == count or None

        until(f"{count} agents to be alive", counts, _SECONDS)

    def _policy(self) -> Object:
        return self.stage.api.read(policy(self.stage.namespace))

    def agents(self) -> set[str]:
        """The names of all Agents of the namespace."""
        found = self.stage.api.list(_AGENT, "Agent", self.stage.namespace)["items"]
        return {one["metadata"]["name"] for one in found}

    def wait_until_gone(self, name: str) -> None:
        """Wait until an Agent has gone, and all that was made of it."""
        place = {"name": name, "namespace": self.stage.namespace}
        for version, kind in ((_AGENT, "Agent"), *_MADE):
            manifest = {"apiVersion": version, "kind": kind, "metadata": place}
            until(f"the {kind} {name} to be gone", partial(self._is_gone, manifest), _SECONDS)
        selector = {"kagent": name}
        until(
            f"the pods of {name} to be gone",
            lambda: not list_pods(self.stage.api, self.stage.namespace, selector) or None,
            _SECONDS,
        )

    def _is_gone(self, manifest: Object) -> bool | None:
        try:
            self.stage.api.read(manifest)
        except ApiError as error:
            return True if error.status == 404 else None
        return None

    def check_undisturbed(self) -> None:
        """The lead's pod is the one that it began with, and nothing in it was started again."""
        pod = self.stage.pod(self.lead)
        assert pod.uid == self.began.uid
        assert {name: pod.restarts(name) for name in pod.containers} == dict.fromkeys(
            pod.containers, 0
        )
