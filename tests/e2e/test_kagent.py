"""kagent's agents on the node without hotpeers: the baseline of all other tests here."""

from e2e.backing import MODEL_URL
from e2e.kagent import SCRIPTED, Agent
from e2e.reconciler import Reconciler
from e2e.site import QUICK_PROBE, Site
from e2e.stage import BASELINE, Stage, make_stage
from e2e.team import helper
from kit.node.node import Node


def test_orchestrator_of_kagent_is_ready_and_answers(stage: Stage) -> None:
    agent = stage.agent("orchestrator")
    pod = stage.start(agent)
    assert set(pod.containers) == {"kagent"}
    assert stage.talk(agent).say("What agents do you have?") == "I am offered: ask_user."
    assert stage.model.requests()[-1]["user"] == "What agents do you have?"


def test_ungoverned_agent_runs_as_written(node: Node, reconciler: Reconciler) -> None:
    stage = make_stage(node.api, "anybody", BASELINE)
    reconciler.follow(stage.namespace, Site({SCRIPTED: f"{MODEL_URL}/v1"}, QUICK_PROBE))
    agent = Agent(stage.namespace, "helper")
    manifest = helper(stage.namespace, agent.name, "It is me.")
    stage.api.create(manifest)
    stage.wait(agent)
    stage.wait_until_served(agent)
    assert stage.talk(agent).say("Who are you?") == "It is me."
    stage.remove(agent)
    reconciler.leave(stage.namespace)
