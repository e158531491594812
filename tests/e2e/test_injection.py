"""One annotation on a kagent agent, and its sub-agents come and go while it runs."""

import json
import time
from typing import Any

from e2e.crew import Crew
from e2e.offers import offered, wait_for_offer
from e2e.stage import PEER_LABEL
from e2e.timings import Timings
from kit.waiting import until


def test_annotated_agent_is_injected_and_ready(crew: Crew) -> None:
    pod = crew.began["first"]
    assert list(pod.containers) == ["hotpeers", "kagent"]
    status = json.loads(pod.annotations["hotpeers.dev/status"])
    assert status["container"] == "kagent"
    assert crew.talk(crew.first).say("Which agents do you have?") == "I am offered: ask_user."


def test_agent_without_the_annotation_is_not_injected(crew: Crew) -> None:
    assert list(crew.began["plain"].containers) == ["kagent"]
    assert crew.talk(crew.plain).say("Which agents do you have?") == "I am offered: ask_user."


def test_sub_agent_is_offered_when_it_is_labelled_and_gone_when_not(
    crew: Crew, timings: Timings
) -> None:
    stage, talk = crew.stage, crew.talk(crew.first)
    with crew.sub_agent("weather", "It stays dry.") as weather:
        assert offered(stage, talk) == set()
        began = time.time()
        stage.label(weather, **{PEER_LABEL: "true"})
        timings.note(
            "label on a ready Agent → offered", wait_for_offer(stage, talk, [weather]) - began
        )
        assert "It stays dry." in talk.say("Ask weather: will it rain?")
        began = time.time()
        stage.label(weather, **{PEER_LABEL: None})
        timings.note("label taken away → not offered", wait_for_offer(stage, talk, []) - began)
        # The conversation continues, although its history names an agent that is gone.
        assert "weather" in talk.say("Call the removed weather agent again.")
        assert offered(stage, talk) == set()
    crew.check_undisturbed(crew.first)
    pod = stage.pod(crew.first)
    assert [pod.restarts(name) for name in pod.containers] == [0, 0]


def test_sub_agent_is_offered_as_soon_as_it_is_ready(crew: Crew, timings: Timings) -> None:
    stage, talk = crew.stage, crew.talk(crew.first)
    with crew.sub_agent("news", "Nothing new.", ready=False, **{PEER_LABEL: "true"}) as news:
        assert offered(stage, talk) == set()
        began = time.time()
        stage.set_ready(news)
        took = wait_for_offer(stage, talk, [news]) - began
        timings.note("a labelled Agent becomes Ready → offered", took)
        assert "Nothing new." in talk.say("Ask news: what is new?")
    wait_for_offer(stage, talk, [])
    crew.check_undisturbed(crew.first)


def test_each_orchestrator_sees_its_selected_peers(crew: Crew) -> None:
    with (
        crew.peer("weather", "Dry.") as weather,
        crew.sub_agent("news", "Old.", team="two") as news,
    ):
        wait_for_offer(crew.stage, crew.talk(crew.first), [weather])
        wait_for_offer(crew.stage, crew.talk(crew.second), [news])
        assert offered(crew.stage, crew.talk(crew.plain)) == set()
    wait_for_offer(crew.stage, crew.talk(crew.first), [])
    wait_for_offer(crew.stage, crew.talk(crew.second), [])


def test_state_of_the_orchestrator_is_shown_by_kubectl_get(crew: Crew, timings: Timings) -> None:
    stage = crew.stage
    shown = {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "Orchestrator",
        "metadata": {"namespace": stage.namespace, "name": crew.first.name},
    }

    def row() -> dict[str, Any]:
        table = stage.api.table("hotpeers.dev/v1alpha1", "Orchestrator", stage.namespace)
        heads = [head["name"] for head in table["columnDefinitions"]]
        rows = (dict(zip(heads, one["cells"], strict=True)) for one in table["rows"])
        return next((one for one in rows if one["Name"] == crew.first.name), {})

    until("its state", lambda: row().get("Live") == "True")
    assert row()["Runtime"].startswith("kagent-adk ")
    # Sub-agents of the tests before may just be leaving.
    until("an empty list", lambda: row()["Peers"] == 0)
    owner = stage.api.read(shown)["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("Deployment", crew.first.name)
    with crew.sub_agent("seen", "I am seen.", **{PEER_LABEL: "true"}):
        began = time.time()
        until("the peer in its state", lambda: row()["Peers"] == 1)
        timings.note("a labelled Agent → the Orchestrator's status", time.time() - began)

        def change() -> Any:
            changes = stage.api.read(shown)["status"]["changes"]
            return next((one for one in changes if "seen" in str(one["added"])), {})

        until("the time until it was live", lambda: "liveSeconds" in change())
