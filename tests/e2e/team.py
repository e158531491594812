"""A namespace in which an orchestrator may spawn agents: its SpawnPolicy, its rights, its talk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from e2e.crew import INJECT
from e2e.kagent import SCRIPTED, Agent
from e2e.pods import Pod, describe, list_pods
from e2e.reconciler import Reconciler
from e2e.release import NAMESPACE as SYSTEM
from e2e.site import KAGENT_PROBE, QUICK_PROBE, Site
from e2e.stage import Stage
from e2e.talk import Conversation
from kit.apiserver.client import Object
from kit.waiting import TookTooLongError, until

SPAWN = {**INJECT, "hotpeers.dev/spawn": "true"}
LEAD = "lead"
_RBAC = "rbac.authorization.k8s.io"
_AGENT = "kagent.dev/v1alpha2"
_MADE = (("v1", "Secret"), ("v1", "ServiceAccount"), ("v1", "Service"), ("apps/v1", "Deployment"))
_SECONDS = 60.0


def policy(namespace: str) -> Object:
    """A SpawnPolicy that allows the lead to spawn helpers, and deputies that spawn helpers too."""
    spec = {
        "subjects": [{"kind": "Agent", "name": LEAD}],
        "targetNamespaces": [namespace],
        "names": ["helper-*", "deputy-*"],
        "templates": {"required": False, "registry": ["acme.translator@latest"]},
        "types": ["Declarative"],
        "runtimes": ["python"],
        "modelConfigs": [SCRIPTED],
        "maxPromptLength": 4000,
        "allowOrchestrators": True,
        "podSecurity": "restricted",
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
    """One conversation with an orchestrator whose model follows the user's text."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation

    def use(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Make the model call one tool; returns the tool's answer as the model repeats it."""
        said = self.say(f"Call {tool} with {json.dumps(arguments)}")
        try:
            return dict(json.loads(said))
        except ValueError:
            raise AssertionError(f"{tool} answered: {said}") from None

    def create(self, manifest: Object) -> dict[str, str]:
        """Have the model apply a manifest of its own, and be admitted; the stamps."""
        answer = self.apply(manifest)
        assert answer.get("created"), answer
        return dict(answer["stamps"])

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
        team.wait_until_policy("True", "Enforced")
        return team

    def talk(self, agent: Agent | None = None) -> Dialogue:
        """Begin a conversation with the lead, or another."""
        return Dialogue(self.stage.talk(agent or self.lead))

    def read(self, name: str) -> Object:
        """An Agent of the namespace as it is now."""
        place = {"name": name, "namespace": self.stage.namespace}
        return self.stage.api.read({"apiVersion": _AGENT, "kind": "Agent", "metadata": place})

    def wait_until_policy(self, status: str, reason: str) -> None:
        """Wait until the policy's Ready condition has this status and reason."""

        def says() -> bool:
            found = self._policy().get("status", {}).get("conditions") or []
            return any((one["status"], one["reason"]) == (status, reason) for one in found)

        try:
            until(f"the policy to be {reason}", says, _SECONDS)
        except TookTooLongError as error:
            said = self._policy().get("status")
            logs = describe(self.stage.api, SYSTEM)
            raise AssertionError(f"{error}: {said}\n{logs}") from error

    def _policy(self) -> Object:
        return self.stage.api.read(policy(self.stage.namespace))

    def agents(self) -> set[str]:
        """The names of all Agents of the namespace."""
        found = self.stage.api.list(_AGENT, "Agent", self.stage.namespace)["items"]
        return {one["metadata"]["name"] for one in found}

    def wait_until_gone(self, name: str, *, pods: bool = True) -> None:
        """Wait until an Agent has gone, and all that was made of it, its pods last.

        A pod of kagent's that had no time to start ignores that it shall end, for 30 s.
        """
        place = {"name": name, "namespace": self.stage.namespace}
        for version, kind in ((_AGENT, "Agent"), *_MADE):
            manifest = {"apiVersion": version, "kind": kind, "metadata": place}
            until(
                f"the {kind} {name} to be gone", partial(self.stage.api.is_gone, manifest), _SECONDS
            )
        if not pods:
            return
        selector = {"kagent": name}
        until(
            f"the pods of {name} to be gone",
            lambda: not list_pods(self.stage.api, self.stage.namespace, selector),
            _SECONDS,
        )

    def check_undisturbed(self) -> None:
        """The lead's pod is the one that it began with, and nothing in it was started again."""
        pod = self.stage.pod(self.lead)
        assert pod.uid == self.began.uid
        assert {name: pod.restarts(name) for name in pod.containers} == dict.fromkeys(
            pod.containers, 0
        )
