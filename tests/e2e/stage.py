"""A namespace for the tests' agents, and the actions on them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from e2e.backing import MODEL_URL
from e2e.kagent import Agent
from e2e.pods import Pod, wait_for_pod
from e2e.talk import Conversation, ModelLog, get
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.resources import account_manifest, set_ready
from kit.waiting import until

PEER_LABEL = "hotpeers.dev/peer"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
BASELINE = {"pod-security.kubernetes.io/enforce": "baseline"}
"""As strict as pods of agents meet that say nothing of their security contexts."""
_SECONDS = 60.0


@dataclass
class Stage:
    """One namespace of the node, and who acts there."""

    api: Api
    namespace: str
    model: ModelLog = field(default_factory=lambda: ModelLog(MODEL_URL))

    def agent(self, name: str, **how: Any) -> Agent:
        """An orchestrator that asks the scripted model."""
        return Agent(self.namespace, name, model_url=f"{MODEL_URL}/v1", **how)

    def create(self, agent: Agent) -> Object:
        """Create an Agent and its objects as kagent's controller does; return the Agent."""
        created = self.api.create(agent.manifest)
        for one in agent.objects(created["metadata"]["uid"]):
            self.api.create(one)
        return created

    def start(self, agent: Agent) -> Pod:
        """Create an Agent, wait until its pod is ready, and say so in its status."""
        self.create(agent)
        return self.start_created(agent)

    def start_created(self, agent: Agent) -> Pod:
        """The same, of an Agent that was created before."""
        pod = self.wait(agent)
        self.set_ready(agent)
        return pod

    def set_ready(self, agent: Agent) -> None:
        """Say in the status of an Agent that it is ready, as kagent's controller does."""
        set_ready(self.api, agent.manifest)

    def remove(self, agent: Agent) -> None:
        """Delete an Agent, and wait until its objects are gone."""
        self.api.delete(agent.manifest)
        for one in agent.objects(""):
            until(
                f"the {one['kind']} {agent.name} to be gone",
                partial(self.api.is_gone, one),
                _SECONDS,
            )

    def wait(self, agent: Agent) -> Pod:
        """Wait until the pod of an Agent is ready."""
        return wait_for_pod(self.api, self.namespace, agent.selector)

    def pod(self, agent: Agent) -> Pod:
        """The pod of an Agent as it is now."""
        return wait_for_pod(self.api, self.namespace, agent.selector, lambda pod: not pod.is_ending)

    def label(self, agent: Agent, **labels: str | None) -> None:
        """Label the Agent itself; None takes a label away."""
        self.api.patch(agent.manifest, {"metadata": {"labels": labels}})

    def talk(self, agent: Agent) -> Conversation:
        """Begin a conversation, by the Service as another agent would, once it leads to the pod."""
        self.wait_until_served(agent)
        return Conversation(self.url(agent))

    def wait_until_served(self, agent: Agent) -> None:
        """Wait until the Service of an Agent leads to its pod: that follows readiness by a moment."""
        url = f"{self.url(agent)}/.well-known/agent-card.json"

        def answers() -> bool:
            with suppress(OSError):
                return bool(get(url))
            return False

        until(f"the Service of {agent.name}", answers, _SECONDS)

    def url(self, agent: Agent) -> str:
        """Where the Service of an Agent is, for this machine."""
        place = {"name": agent.name, "namespace": self.namespace}
        service = self.api.read({"apiVersion": "v1", "kind": "Service", "metadata": place})
        return f"http://{service['spec']['clusterIP']}:8080"


def make_stage(api: Api, name: str, level: Mapping[str, str] = RESTRICTED) -> Stage:
    """Create the namespace, and wait for the objects that pods need there."""
    create_namespace(api, name, level)
    manifest = account_manifest(name, "default")

    def has_account() -> bool:
        try:
            api.read(manifest)
        except ApiError:
            return False
        return True

    until(f"the ServiceAccount of {name}", has_account, _SECONDS)
    return Stage(api, name)
