"""The line of kubectl that turns everything off, and a namespace that gets another image."""

from __future__ import annotations

import re
from pathlib import Path

from e2e.crew import INJECT, Crew
from e2e.idle import idle_pod, is_injected
from e2e.offers import offered, tool_name, wait_for_offer
from e2e.release import Release
from e2e.stage import Stage
from kit.apiserver.client import Api, Object
from kit.node.images import HOTPEERS
from kit.waiting import until

UPGRADE = Path(__file__).parents[2] / "docs" / "upgrade.md"
PATHS = {
    "mutatingwebhookconfigurations": "admissionregistration.k8s.io/v1",
    "validatingwebhookconfigurations": "admissionregistration.k8s.io/v1",
    "clusterroles": "rbac.authorization.k8s.io/v1",
}
CANARY = f"{HOTPEERS.rpartition(':')[0]}:canary"


def turn_off(api: Api) -> None:
    """Do the requests of the command in docs/upgrade.md."""
    text = re.sub(r" \\\n +", " ", UPGRADE.read_text())
    command = r"^\$ kubectl delete (mutating\S+) --selector (\S+)$"
    (found,) = re.findall(command, text, re.MULTILINE)
    kinds, labels = found
    for kind in kinds.split(","):
        api.request("DELETE", f"/apis/{PATHS[kind]}/{kind}?labelSelector={labels}")


def created(api: Api, namespace: str) -> Object:
    """A pod that asks for injection, as the API server would create it."""
    pod = idle_pod(namespace, "probe", INJECT)
    return api.request("POST", f"{api.path(pod, named=False)}?dryRun=All", pod)


def images(pod: Object) -> set[str]:
    spec = pod["spec"]
    return {one["image"] for one in (*spec["containers"], *spec.get("initContainers", ()))}


def test_everything_is_off_at_once_and_on_again_with_the_next_upgrade(
    release: Release, crew: Crew
) -> None:
    stage, talk, api = crew.stage, crew.talk(crew.first), crew.stage.api
    with crew.peer("weather", "It stays dry.") as weather:
        wait_for_offer(stage, talk, [weather])
        assert is_injected(created(api, stage.namespace))
        turn_off(api)
        until("no injection", lambda: not is_injected(created(api, stage.namespace)), 30.0)
        assert offered(stage, talk) == {tool_name(weather)}
        assert "It stays dry." in talk.say("Ask weather: will it rain?")
        # The garbage collector deletes the bindings with their roles; the controller makes them again.
        release.upgrade(again="1")
        release.wait()
        assert is_injected(created(api, stage.namespace))
        with crew.peer("news", "Nothing new.") as news:
            wait_for_offer(stage, talk, [weather, news], seconds=90.0)
    crew.check_undisturbed(crew.first)


def test_canary_namespace_gets_its_own_image(release: Release, stage: Stage) -> None:
    api, namespace = stage.api, stage.namespace
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    try:
        release.upgrade_with(f'sidecar.canary={{"tag": "{CANARY.rpartition(":")[2]}"}}')
        release.wait()
        assert CANARY not in images(created(api, namespace))
        api.patch(space, {"metadata": {"labels": {"hotpeers.dev/channel": "canary"}}})
        # The API server follows the labels of namespaces by a watch.
        until("the canary's image", lambda: CANARY in images(created(api, namespace)), 30.0)
    finally:
        api.patch(space, {"metadata": {"labels": {"hotpeers.dev/channel": None}}})
        release.upgrade_with()
        release.wait()
    assert is_injected(created(api, namespace))
    assert CANARY not in images(created(api, namespace))
