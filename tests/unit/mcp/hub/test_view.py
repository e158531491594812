"""The part of a cluster that an orchestrator may see."""

from typing import Any

from hotpeers.mcp.hub.view import (
    Home,
    Selection,
    allowed_namespaces,
    by_namespace,
    read_home,
    uninvited_namespaces,
)
from hotpeers.model.orchestrator import Orchestrator, read_orchestrator
from hotpeers.model.snapshot import Candidate, Snapshot


def orchestrator(**spec: Any) -> Orchestrator:
    metadata = {"name": "lead", "namespace": "team", "uid": "u"}
    return read_orchestrator({"metadata": metadata, "spec": spec})


def home(name: str, *readers: str, **labels: str) -> Home:
    return Home(name, labels, frozenset(readers))


def homes(*found: Home) -> dict[str, Home]:
    return {one.name: one for one in found}


HOMES = homes(
    home("team"), home("open", "*"), home("friend", "other", "team"), home("closed", "team/x")
)


def test_own_namespace_alone_by_default() -> None:
    assert allowed_namespaces(orchestrator(), HOMES) == {"team"}
    assert uninvited_namespaces(orchestrator(), HOMES) == []


def test_all_namespaces_are_the_own_one_and_those_that_invite() -> None:
    assert allowed_namespaces(orchestrator(namespaces=["*"]), HOMES) == {"team", "open", "friend"}
    assert uninvited_namespaces(orchestrator(namespaces=["*"]), HOMES) == []


def test_named_namespaces_need_an_invitation() -> None:
    one = orchestrator(namespaces=["friend", "closed", "missing"])
    assert allowed_namespaces(one, HOMES) == {"friend"}
    assert uninvited_namespaces(one, HOMES) == ["closed", "missing"]


def test_readers_of_a_namespace_are_read_from_its_annotation() -> None:
    data = {"metadata": {"name": "a", "annotations": {"hotpeers.dev/readers": "b, c/d\n*"}}}
    assert read_home(data).readers == {"b", "c/d", "*"}
    assert read_home({"metadata": {"name": "a"}}).readers == frozenset()


def candidate(namespace: str, name: str, **labels: str) -> Candidate:
    return Candidate("Peer", name, f"Peer/{namespace}/{name}", namespace, labels=labels)


def test_selection_has_the_allowed_candidates_with_the_labels_and_no_other() -> None:
    every = (
        candidate("a", "x", tier="gold"),
        candidate("b", "y"),
        candidate("b", "z", tier="gold"),
    )
    snapshot = Snapshot(every, seen=1.5, unread=("Agent/",))
    one = orchestrator(selector={"matchLabels": {"tier": "gold"}})
    seen = Selection().of(
        one.selector, {"b"}, snapshot, by_namespace(every, {}), home("team", here="1")
    )
    assert [it.name for it in seen.candidates] == ["z"]
    assert (seen.home_labels, seen.seen, seen.unread) == ({"here": "1"}, 1.5, ("Agent/",))


def test_unchanged_namespaces_keep_their_tuple() -> None:
    first = [candidate("a", "x"), candidate("b", "y")]
    before = by_namespace(first, {})
    after = by_namespace([first[0], candidate("b", "y")], before)
    assert after["a"] is before["a"]
    assert after["b"] is not before["b"]
    assert "b" not in by_namespace([first[0]], after)
