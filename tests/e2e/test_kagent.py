"""kagent's agents on the node, as they are without us: what everything else here is compared to."""

from e2e.stage import Stage


def test_orchestrator_of_kagent_is_ready_and_answers(stage: Stage) -> None:
    agent = stage.agent("orchestrator")
    pod = stage.start(agent)
    assert set(pod.containers) == {"kagent"}
    assert stage.talk(agent).say("What agents do you have?") == "I am offered: ask_user."
    assert stage.model.requests()[-1]["user"] == "What agents do you have?"
