"""The sidecar is killed again and again, and the agent does not notice."""

import time

from e2e.crew import Crew
from e2e.offers import offered, wait_for_offer
from e2e.pods import Pod, wait_for_pod
from e2e.talk import Conversation
from e2e.timings import Timings
from kit.node.node import Node

_KILLS = 20


def test_agent_keeps_its_peers_while_its_sidecar_is_killed(
    node: Node, crew: Crew, timings: Timings
) -> None:
    stage = crew.stage
    # To the pod itself: Kubernetes takes a pod of which any container is down out of its Services.
    talk = Conversation(f"http://{stage.pod(crew.first).address}:8080")
    with crew.peer("weather", "It stays dry.") as weather:
        wait_for_offer(stage, talk, [weather])
        (tool,) = offered(stage, talk)
        for _ in range(_KILLS):
            pod = stage.pod(crew.first)
            began = time.monotonic()
            node.runtime.kill(pod.containers["hotpeers"]["containerID"])
            assert offered(stage, talk) == {tool}
            wait_for_restart(crew, pod)
            timings.note("sidecar killed → pod Ready again", time.monotonic() - began)
            assert offered(stage, talk) == {tool}
        assert "It stays dry." in talk.say("Ask weather: will it rain?")
        with crew.peer("news", "Nothing new.") as news:
            wait_for_offer(stage, talk, [weather, news])
    wait_for_offer(stage, talk, [])
    crew.check_undisturbed(crew.first)
    assert stage.pod(crew.first).restarts("hotpeers") == _KILLS


def wait_for_restart(crew: Crew, killed: Pod) -> None:
    count = killed.restarts("hotpeers") + 1

    def is_back(pod: Pod) -> bool:
        return pod.restarts("hotpeers") == count and pod.is_ready

    wait_for_pod(crew.stage.api, crew.stage.namespace, crew.first.selector, is_back)
