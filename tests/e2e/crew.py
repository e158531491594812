"""Two orchestrators that are injected and one that is not, started once for many tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from e2e.kagent import QUICK_PROBE, Agent, sub_agent
from e2e.pods import Pod
from e2e.stage import PEER_LABEL, Stage
from e2e.talk import Conversation

INJECT = {"hotpeers.dev/inject": "true"}


def orchestrator(stage: Stage, name: str = "orchestrator", **annotations: str) -> Agent:
    """An agent of which nothing but the annotation says that it is to be injected."""
    return stage.agent(name, annotations={**INJECT, **annotations}, probe=QUICK_PROBE)


@dataclass
class Crew:
    """`first` selects by the default label, `second` by `team=two`, `plain` was not annotated."""

    stage: Stage
    first: Agent
    second: Agent
    plain: Agent
    began: dict[str, Pod]

    @classmethod
    def start(cls, stage: Stage) -> Crew:
        first = orchestrator(stage, "first")
        second = orchestrator(stage, "second", **{"hotpeers.dev/selector": "team=two"})
        plain = stage.agent("plain", probe=QUICK_PROBE)
        for one in (first, second, plain):
            stage.create(one)
        began = {one.name: stage.start_created(one) for one in (first, second, plain)}
        return cls(stage, first, second, plain, began)

    @contextmanager
    def sub_agent(
        self, name: str, says: str, *, ready: bool = True, **labels: str
    ) -> Iterator[Agent]:
        """A sub-agent for as long as the block takes, its pod being ready."""
        agent = sub_agent(self.stage.namespace, name, says, **labels)
        try:
            self.stage.create(agent)
            self.stage.wait(agent)
            self.stage.wait_until_served(agent)
            if ready:
                self.stage.set_ready(agent)
            yield agent
        finally:
            self.stage.remove(agent)

    @contextmanager
    def peer(self, name: str, says: str) -> Iterator[Agent]:
        """The same, labelled for `first`."""
        with self.sub_agent(name, says, **{PEER_LABEL: "true"}) as agent:
            yield agent

    def talk(self, agent: Agent) -> Conversation:
        return self.stage.talk(agent)

    def check_undisturbed(self, agent: Agent) -> None:
        """Its pod is the one that it began with, and nothing of kagent's in it was started again."""
        pod = self.stage.pod(agent)
        assert pod.uid == self.began[agent.name].uid
        assert pod.restarts("kagent") == 0
