"""Where the tests' agents live: a namespace, the model, and kagent's controller as agents see it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cluster.client import Api, Object
from cluster.processes import Process, until
from cluster.resources import set_ready
from e2e.kagent import Agent
from e2e.pods import Pod, wait_for_pod
from e2e.talk import Conversation, ModelLog
from node import addresses

_SERVERS = Path(__file__).with_name("servers.py")
_MODEL_PORT, _CONTROLLER_PORT = 8081, 8083
MODEL_URL = f"http://{addresses.HOST}:{_MODEL_PORT}"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
_SECONDS = 30.0


class Servers:
    """The two servers on this machine."""

    def __init__(self, folder: Path) -> None:
        self._processes = [
            Process(
                [sys.executable, _SERVERS, which, addresses.HOST, str(port)],
                folder / f"{which}.log",
                which,
            )
            for which, port in (("model", _MODEL_PORT), ("controller", _CONTROLLER_PORT))
        ]

    def start(self) -> None:
        for process in self._processes:
            process.start()
        log = ModelLog(MODEL_URL)

        def answers() -> bool | None:
            for process in self._processes:
                process.check()
            try:
                log.skip()
            except OSError:
                return None
            return True

        until("the scripted model", answers, _SECONDS)

    def close(self) -> None:
        for process in self._processes:
            process.stop()


def controller_objects() -> list[Object]:
    """The Service by which agents find kagent's controller; it leads to this machine."""
    place = {"name": "kagent-controller", "namespace": "kagent"}
    ports = [{"name": "http", "port": _CONTROLLER_PORT, "protocol": "TCP"}]
    slice_place = {**place, "labels": {"kubernetes.io/service-name": place["name"]}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kagent"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": place, "spec": {"ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": slice_place,
            "addressType": "IPv4",
            "endpoints": [{"addresses": [addresses.HOST]}],
            "ports": ports,
        },
    ]


@dataclass
class Stage:
    """One namespace of the node, enforcing PodSecurity `restricted`, and who acts there."""

    api: Api
    namespace: str
    model: ModelLog = field(default_factory=lambda: ModelLog(MODEL_URL))

    def agent(self, name: str, **how: Any) -> Agent:
        """An orchestrator that asks the scripted model."""
        return Agent(self.namespace, name, model_url=f"{MODEL_URL}/v1", **how)

    def create(self, agent: Agent) -> Object:
        """Create an Agent, and what kagent's controller makes of it; return the Agent."""
        created = self.api.create(agent.manifest)
        for one in agent.objects(created["metadata"]["uid"]):
            self.api.create(one)
        return created

    def start(self, agent: Agent) -> Pod:
        """Create an Agent, wait until its pod is ready, and say so in its status."""
        self.create(agent)
        pod = self.wait(agent)
        set_ready(self.api, agent.manifest)
        return pod

    def wait(self, agent: Agent) -> Pod:
        """Wait until the pod of an Agent is ready."""
        return wait_for_pod(self.api, self.namespace, agent.selector)

    def pod(self, agent: Agent) -> Pod:
        """The pod of an Agent as it is now."""
        return wait_for_pod(self.api, self.namespace, agent.selector, lambda pod: not pod.is_ending)

    def label(self, agent: Agent, **labels: str | None) -> None:
        """Label the Agent itself; None takes a label away."""
        self.api.patch(agent.manifest, {"metadata": {"labels": _keys(labels)}})

    def talk(self, agent: Agent) -> Conversation:
        """Begin a conversation, by the Service as another agent would."""
        service = self.api.read(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": agent.name, "namespace": self.namespace},
            }
        )
        return Conversation(f"http://{service['spec']['clusterIP']}:8080")


def labelled(agent: Agent, labels: Mapping[str, str]) -> Agent:
    """The same Agent with labels of its own."""
    return replace(agent, own_labels={**agent.own_labels, **labels})


def _keys(labels: Mapping[str, str | None]) -> dict[str, str | None]:
    return dict(labels)
