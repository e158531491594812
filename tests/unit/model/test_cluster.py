"""Objects of an API server as candidates."""

from typing import Any

import pytest

from hotpeers.base.view import MalformedError
from hotpeers.model.audience import Audience, selector_of
from hotpeers.model.cluster import read_agent, read_agent_v1alpha3, read_peer, read_service
from hotpeers_shim.contract import Skill

PIN = "hotpeers.dev/pin-address"


def agent(spec: Any = None, status: Any = None, **metadata: Any) -> dict[str, Any]:
    made = {
        "metadata": {"name": "sql", "namespace": "team", "uid": "u", **metadata},
        "spec": {"type": "Declarative", **(spec or {})},
    }
    return made if status is None else {**made, "status": status}


def test_agent_is_called_at_its_service() -> None:
    skills = [{"id": "q", "name": "Query", "tags": ["db"]}]
    found = read_agent(
        agent(
            {"description": "Asks\ndatabases", "declarative": {"a2aConfig": {"skills": skills}}},
            creationTimestamp="2026-01-31T12:00:00Z",
        )
    )
    assert (found.url, found.source, found.uid) == ("http://sql.team:8080", "Agent/team/sql", "u")
    assert (found.description, found.skills) == (
        "Asks databases",
        (Skill("q", "Query", "", ("db",)),),
    )
    assert (found.created, found.ready) == (1769860800.0, False)


def test_annotation_moves_no_agent_that_has_a_service() -> None:
    moved = agent(annotations={"hotpeers.dev/url": "http://evil"})
    assert read_agent(moved).url == "http://sql.team:8080"
    assert read_agent_v1alpha3(moved).url == "http://evil"
    assert read_agent_v1alpha3(agent()).url == ""


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        (None, False),
        ({}, False),
        ({"conditions": None}, False),
        ({"conditions": [{"type": "Accepted", "status": "True"}]}, False),
        ({"conditions": [{"type": "Ready", "status": "Unknown"}]}, False),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, True),
    ],
)
def test_condition_ready(status: Any, ready: bool) -> None:
    assert read_agent(agent(status=status)).ready is ready


@pytest.mark.parametrize(
    ("allowed", "asking", "labels", "admitted"),
    [
        (None, "team", {}, True),
        (None, "other", {}, False),
        ({}, "other", {}, False),
        ({"from": "Same"}, "team", None, True),
        ({"from": "All"}, "other", None, True),
        ({"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}, "x", {"a": "b"}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}, "team", {}, False),
        ({"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}, "x", None, None),
        ({"from": "Selector", "selector": {}}, "x", {}, True),
        (
            {
                "from": "Selector",
                "selector": {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]},
            },
            "x",
            {"a": ""},
            False,
        ),
    ],
)
def test_allowed_namespaces_decide_about_admission(
    allowed: Any, asking: str, labels: dict[str, str] | None, admitted: bool | None
) -> None:
    audience = read_agent(agent({"allowedNamespaces": allowed})).audience
    assert audience is not None
    assert audience.admits(asking, "team", labels) is admitted


@pytest.mark.parametrize(
    "spec",
    [
        {"allowedNamespaces": {"from": "Everyone"}},
        {"allowedNamespaces": {"from": "Selector"}},
        {"allowedNamespaces": []},
        {"description": 1},
        {
            "allowedNamespaces": {
                "from": "Selector",
                "selector": {"matchExpressions": [{"key": "a", "operator": "In"}]},
            }
        },
        {
            "allowedNamespaces": {
                "from": "Selector",
                "selector": {
                    "matchExpressions": [{"key": "a", "operator": "Like", "values": ["b"]}]
                },
            }
        },
    ],
)
def test_malformed_agent(spec: Any) -> None:
    with pytest.raises(MalformedError) as caught:
        read_agent(agent(spec))
    assert caught.value.findings[0][1].startswith("spec.")


@pytest.mark.parametrize("data", [None, [], "x", {}, {"metadata": {"name": "A"}, "spec": {}}])
@pytest.mark.parametrize("read", [read_agent, read_agent_v1alpha3, read_peer, read_service])
def test_value_that_is_not_an_object_is_malformed(read: Any, data: Any) -> None:
    with pytest.raises(MalformedError):
        read(data)


def test_every_operator() -> None:
    selector = selector_of(
        {"a": "1"},
        [
            ("b", "In", ("2", "3")),
            ("c", "NotIn", ("4",)),
            ("d", "Exists", ()),
            ("e", "DoesNotExist", ()),
        ],
    )
    assert selector.matches({"a": "1", "b": "3", "d": ""})
    for change in ({"a": "2"}, {"b": "9"}, {"c": "4"}, {"e": ""}):
        assert not selector.matches({"a": "1", "b": "3", "d": "", **change})
    assert Audience(selector=selector).admits("x", "x", {}) is False


@pytest.mark.parametrize(
    ("annotations", "pinned"),
    [({}, False), ({PIN: "true"}, True), ({PIN: " true "}, True), ({PIN: "false"}, False)],
)
def test_annotation_pins_an_agent_and_a_service(annotations: dict[str, str], pinned: bool) -> None:
    assert read_agent(agent(annotations=annotations)).pinned is pinned
    assert read_agent_v1alpha3(agent(annotations=annotations)).pinned is pinned
    metadata = {"name": "a", "namespace": "b", "annotations": annotations}
    assert read_service({"metadata": metadata, "spec": {"ports": []}}).pinned is pinned


@pytest.mark.parametrize("value", ["yes", "", "True", "1"])
def test_pin_of_another_value_is_malformed(value: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read_agent(agent(annotations={PIN: value}))
    assert caught.value.findings[0][1] == f"metadata.annotations[{PIN}]"


def test_peer_is_pinned_by_its_spec() -> None:
    made = {"metadata": {"name": "a", "namespace": "b"}, "spec": {"url": "http://a"}}
    assert not read_peer(made).pinned
    made["spec"] = {"url": "http://a", "pinAddress": True}
    assert read_peer(made).pinned
    made["spec"] = {"url": "http://a", "pinAddress": "true"}
    with pytest.raises(MalformedError):
        read_peer(made)
