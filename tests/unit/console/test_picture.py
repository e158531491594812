"""The picture is small for any cluster, and complete for a small one."""

from __future__ import annotations

from datetime import UTC, datetime

from hotpeers.console.picture import picture
from hotpeers.console.sketch import MOST_NODES
from hotpeers.console.world import Visible
from kit.console.objects import FAULTY, faulty_replica, status_of

ALL = Visible(everything=True)
NOW = datetime.now(UTC)


def test_small_cluster_is_drawn_completely(scene) -> None:
    found = picture(scene.world.view(ALL), "", NOW)
    assert {node.name for node in found.nodes} == {
        "team/lead",
        "other/secret-lead",
        "team/weather",
        "other/news",
    }
    assert len(found.edges) == 3
    assert [(line.caller, line.called) for line in found.lines] == [
        ("other/secret-lead", ("other/news",)),
        ("team/lead", ("team/weather", "other/news")),
    ]


def test_large_cluster_is_drawn_by_namespace(scene) -> None:
    for number in range(200):
        names = [f"team-{one % 90}/peer-{one}" for one in range(number * 25, number * 25 + 60)]
        scene.show(f"team-{number % 20}", f"lead-{number}", status_of(names))
    view = scene.world.view(ALL)
    found = picture(view, "", NOW)
    assert len(found.nodes) <= 2 * MOST_NODES
    assert all("/" not in node.name for node in found.nodes)
    assert any(node.label.endswith("more") for node in found.nodes)
    one = picture(view, "team-3", NOW)
    assert {node.name.split("/")[0] for node in one.nodes if node.x == 0} == {"team-3"}
    assert len(one.nodes) <= 2 * MOST_NODES
    assert len(picture(view, "team-3/lead-3", NOW).nodes) <= 3 * MOST_NODES


def test_focus_on_an_agent_shows_callers_and_called(scene) -> None:
    scene.show("team", "boss", status_of(["team/lead"]))
    found = picture(scene.world.view(ALL), "team/lead", NOW)
    assert [title for title, _ in found.heads] == [
        "may call it (1)",
        "agent (1)",
        "it may call (2)",
    ]
    assert len(found.edges) == 3


def test_words_of_an_agent_name_its_problems(scene) -> None:
    scene.show("team", "lead", {**status_of(["team/weather"]), **FAULTY})
    lines = picture(scene.world.view(ALL), "team/lead", NOW).lines
    assert [(line.caller, line.has_problems) for line in lines] == [("team/lead", True)]


def test_unknown_focus_is_an_agent_without_edges(scene) -> None:
    found = picture(scene.world.view(ALL), "no/where", NOW)
    assert [node.name for node in found.nodes] == ["no/where"]
    assert picture(scene.world.view(ALL), "nowhere", NOW).nodes == ()


def test_failing_calls_are_marked(scene) -> None:
    status = {**status_of(["team/weather"]), **FAULTY}
    scene.show("team", "lead", status | {"replicas": {"a": faulty_replica("team/weather")}})
    found = picture(scene.world.view(ALL), "team", NOW)
    assert {node.name: node.state for node in found.nodes} == {
        "team/lead": "bad",
        "team/weather": "bad",
    }
    assert [edge.state for edge in found.edges] == ["bad"]


def test_peers_that_the_status_does_not_name_are_counted(scene) -> None:
    scene.show("team", "lead", {**status_of(["team/weather"]), "peers": 500})
    line = next(it for it in picture(scene.world.view(ALL), "team", NOW).lines)
    assert line.more == 499


def test_long_labels_keep_both_ends(scene) -> None:
    """Names of one namespace often differ only at their end."""
    place = "platform-engineering-production"
    scene.show(place, "lead", status_of([f"{place}/forecast-agent-{one}" for one in range(3)]))
    found = picture(scene.world.view(ALL), place, NOW)
    labels = [node.label for node in found.nodes]
    assert len(set(labels)) == 4
    assert all(len(label) <= 27 for label in labels)
    assert {node.title.partition(" ")[0] for node in found.nodes} >= {f"{place}/forecast-agent-0"}
