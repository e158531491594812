"""The switch that turns everything off: the value, and the command for an emergency."""

from __future__ import annotations

import re

from cluster.chart.test_render import TOOLS
from kit.chart.helm import CHART, Helm, Object

UPGRADE = CHART.parents[1] / "docs" / "upgrade.md"


def names(objects: list[Object]) -> set[tuple[str, str]]:
    return {(it["kind"], it["metadata"]["name"]) for it in objects}


def test_nothing_that_acts_on_the_cluster_is_left(helm: Helm) -> None:
    left = {kind for kind, _ in names(helm.render(*TOOLS, "enabled=false"))}
    assert left == {"CustomResourceDefinition"}


def test_definitions_are_those_of_a_release_that_is_on(helm: Helm) -> None:
    """Otherwise every Peer would be deleted with its definition."""

    def definitions(*sets: str) -> list[Object]:
        return [it for it in helm.render(*sets) if it["kind"] == "CustomResourceDefinition"]

    assert definitions("enabled=false") == definitions()


def test_hub_stays_because_agents_call_their_peers_through_it(helm: Helm) -> None:
    on = helm.render("hub.enabled=true")
    off = helm.render("hub.enabled=true", "enabled=false")
    of_hub = {
        (it["kind"], it["metadata"]["name"])
        for it in on
        if it["metadata"]["labels"]["app.kubernetes.io/component"] == "hub"
    }
    # The controller's rights for the hub go with the controller.
    assert names(off) - names(helm.render("enabled=false")) == {
        (kind, name) for kind, name in of_hub if name != "hotpeers-controller-hub"
    }


def test_names_of_a_release_that_is_off_do_not_depend_on_other_values(helm: Helm) -> None:
    sets = ("guard.enabled=false", "hold.enabled=false", "rbac.auto=false")
    assert names(helm.render("enabled=false", *sets)) == names(helm.render("enabled=false"))


def selected(objects: list[Object], command: str) -> set[tuple[str, str]]:
    """What a `kubectl delete KINDS --selector LABELS` would delete."""
    kinds = command.split()[2].split(",")
    labels = dict(it.split("=") for it in command.split("--selector ")[1].split(","))
    return {
        (it["kind"], it["metadata"]["name"])
        for it in objects
        if f"{it['kind'].lower()}s" in kinds and labels.items() <= it["metadata"]["labels"].items()
    }


def test_command_for_an_emergency_ends_what_the_value_ends(helm: Helm) -> None:
    text = re.sub(r" \\\n +", " ", UPGRADE.read_text())
    (command,) = re.findall(r"^\$ (kubectl delete mutatingwebhook.*)$", text, re.MULTILINE)
    on, off = (helm.render("hub.enabled=true", *more) for more in ((), ("enabled=false",)))
    gone = names(on) - names(off)
    ended = {
        (kind, name)
        for kind, name in gone
        if kind.endswith("WebhookConfiguration") or kind == "ClusterRole"
    }
    # The controller's rights for the hub stay: without them no token is renewed.
    assert selected(on, command) == ended - {("ClusterRole", "hotpeers-controller-hub")}
    assert ("ClusterRole", "hotpeers-hub") not in selected(on, command)
    assert ("ClusterRole", "hotpeers-peers") in selected(on, command)
