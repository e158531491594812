"""What pages say: problems, the tree of spawned agents, counts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hotpeers.base.reasons import Reason
from hotpeers.console.pages import Pages
from hotpeers.console.problems import grouped, policy_problems, shown_problems
from hotpeers.console.records import read_policy_record, read_spawned_record
from hotpeers.console.spawned import spawned_tree
from hotpeers.console.world import Visible
from hotpeers.overview.summary import Severity
from hotpeers.page.explanation import explanation_of
from kit.console.objects import FAULTY, condition, faulty_replica, policy, spawned, status_of
from kit.words import every_word

ALL = Visible(everything=True)
NOW = datetime.now(UTC)
WORDS = every_word()
# No status of an Orchestrator, a Peer or a SpawnPolicy has these words.
OTHERS = {
    word
    for kind in Reason.__subclasses__()
    if kind.__module__ in ("hotpeers.inject.reasons", "hotpeers.check.reasons")
    for word in kind
}


def test_problems_are_grouped_with_errors_first(scene) -> None:
    for number in range(3):
        status = {**status_of(["team/weather"]), **FAULTY}
        replicas = {"a": faulty_replica("team/weather")} if number == 0 else {}
        scene.show("team", f"bad-{number}", status | {"replicas": replicas})
    view = scene.world.view(ALL)
    groups = grouped(one for record in view.orchestrators for one in shown_problems(record, NOW))
    assert [(one.severity, one.reason, one.count, one.owners) for one in groups] == [
        (Severity.ERROR, "ShimNotLoaded", 3, 3),
        (Severity.ERROR, "WrongShape", 3, 3),
        (Severity.ERROR, "PeerUnreachable", 1, 1),
        (Severity.WARNING, "CardUnavailable", 3, 3),
        (Severity.WARNING, "NameCollision", 3, 3),
        (Severity.WARNING, "NamespaceNotInvited", 3, 3),
    ]
    assert all(one.explanation.sentence and one.explanation.blocks for one in groups)


def test_orchestrator_that_is_well_has_no_problem(scene) -> None:
    view = scene.world.view(ALL)
    assert [one for record in view.orchestrators for one in shown_problems(record, NOW)] == []


def test_policy_that_is_not_ready_is_a_problem() -> None:
    data = policy("team", "helpers", "lead")
    data["status"] = {"conditions": [condition("Ready", "False", "Invalid", "no subject")]}
    (found,) = policy_problems(read_policy_record(data))
    assert (found.reason, found.owner) == ("Invalid", "team/helpers")


@pytest.mark.parametrize("word", sorted(WORDS.keys() - OTHERS))
def test_every_word_of_a_status_has_advice(word: str) -> None:
    found = explanation_of(word)
    assert found.sentence
    assert found.blocks


def test_commands_of_a_remedy_are_code() -> None:
    first = explanation_of("CardUnavailable").blocks[0]
    assert first[0].endswith("pod: ")
    assert first[1].startswith("kubectl -n team exec deploy/concierge -c hotpeers -- python")


def test_no_markup_is_left_in_a_remedy() -> None:
    for word in WORDS:
        for block in explanation_of(str(word)).blocks:
            assert len(block) % 2 == 1, word
            assert all(block[0::2]) or len(block) > 1, word
            assert not any("](" in piece or "$ " in piece for piece in block), word


def test_unknown_word_has_no_advice() -> None:
    assert explanation_of("<script>").blocks == ()


def test_spawned_agents_are_a_tree() -> None:
    agents = [
        read_spawned_record(spawned("team", "helper", "team/lead")),
        read_spawned_record(spawned("team", "deeper", "team/helper", 2)),
        read_spawned_record(spawned("team", "another", "team/other")),
    ]
    first, second = spawned_tree(agents)
    assert (first.name, first.size, first.children[0].children[0].name) == (
        "team/lead",
        2,
        "team/deeper",
    )
    assert second.name == "team/other"


def test_forged_circle_is_shown_once() -> None:
    agents = [
        read_spawned_record(spawned("team", "a", "team/b")),
        read_spawned_record(spawned("team", "b", "team/a")),
        read_spawned_record(spawned("team", "self", "team/self")),
    ]
    trees = spawned_tree(agents)
    assert sum(tree.size for tree in trees) == 3


def test_chain_that_is_too_deep_is_cut_and_shown() -> None:
    agents = [
        read_spawned_record(spawned("team", f"a{number}", f"team/a{number - 1}"))
        for number in range(300)
    ]
    assert sum(tree.size for tree in spawned_tree(agents)) == 300


def test_hidden_orchestrator_is_as_a_missing_one(scene) -> None:
    pages = Pages()
    view = scene.world.view(Visible(namespaces=frozenset({"team"})))
    assert pages.orchestrator(view, "other", "secret-lead") is None
    assert pages.orchestrator(view, "team", "missing") is None
    assert pages.orchestrator(view, "team", "lead") is not None
