"""Agents of kagent 1.x as candidates: both forms of their spec, and what is wrong with others."""

from typing import Any

import pytest

from hotpeers.base.origin import UrlError
from hotpeers.base.view import MalformedError
from hotpeers.model.cards.endpoint import place
from hotpeers.model.gateway import (
    ALLOWED_NAMESPACES,
    DEFAULT_GATEWAY,
    check_gateway,
    gateway_reader,
)
from hotpeers_shim.contract import Interface

read = gateway_reader(DEFAULT_GATEWAY)
HOME = f"{DEFAULT_GATEWAY}/agents/team/sql"
READY = {
    "conditions": [{"type": "Accepted", "status": "True"}, {"type": "Ready", "status": "True"}]
}
KAGENT = {"harness": {"kagent": {"memory": {}}}}


def agent(spec: Any = None, status: Any = None, **metadata: Any) -> dict[str, Any]:
    made = {
        "apiVersion": "api.kagent.dev/v1alpha3",
        "kind": "Agent",
        "metadata": {"name": "sql", "namespace": "team", "uid": "u", **metadata},
    }
    return made | {name: one for name, one in (("spec", spec), ("status", status)) if one}


@pytest.mark.parametrize(
    ("spec", "description"),
    [
        ({"templateRef": {"name": "t"}, "harnessRef": {"name": "h"}}, ""),
        ({"template": {"description": "Asks\ndatabases"}, **KAGENT}, "Asks databases"),
        (
            {"template": {"description": "d", "tools": [{"mcp": {}}]}, "harnessRef": {"name": "h"}},
            "d",
        ),
        ({"template": {"ref": {"name": "t"}}, "harness": {"ref": {"name": "h"}}}, ""),
        ({"template": {"inline": {"description": "d"}}, "harness": {"inline": {"codex": {}}}}, "d"),
        ({"template": {"inline": {}}, "harness": {"ref": {"name": "h"}}}, ""),
        ({"template": {"inline": {"description": None}, "description": "d"}}, "d"),
        # A definition of the other form drops what it does not know.
        ({"template": {}, "harness": {}}, ""),
        ({"template": None}, ""),
        ({"egressPolicyRefs": [{"name": "e"}]}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_both_forms_of_the_spec_and_pruned_ones(spec: Any, description: str) -> None:
    found = read(agent(spec, READY, creationTimestamp="2026-11-20T12:00:00Z"))
    assert (found.url, found.gateway, found.ready) == (HOME, True, True)
    assert (found.kind, found.source) == (
        "Agent.api.kagent.dev",
        "Agent.api.kagent.dev/team/sql",
    )
    assert (found.description, found.uid, found.tool) == (description, "u", "team__NS__sql")
    assert found.created


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"template": "t"}, "spec.template"),
        ({"template": []}, "spec.template"),
        ({"template": {"description": 1}}, "spec.template.description"),
        ({"template": {"inline": "d"}}, "spec.template.inline"),
        ({"template": {"inline": {"description": ["d"]}}}, "spec.template.inline.description"),
    ],
)
def test_malformed_template_is_named(spec: Any, field: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read(agent(spec))
    assert [finding[1] for finding in caught.value.findings] == [field]


@pytest.mark.parametrize("data", [None, [], "x", {}, {"metadata": {"name": "A"}, "spec": {}}])
def test_value_that_is_not_an_object_is_malformed(data: Any) -> None:
    with pytest.raises(MalformedError):
        read(data)


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        (None, False),
        ({"conditions": None, "observedGeneration": 3, "warnings": ["w"]}, False),
        ({"conditions": [{"type": "Accepted", "status": "True"}]}, False),
        ({"conditions": [{"type": "Ready", "status": "False", "reason": "Compiling"}]}, False),
        ({"latestSuccessfulRevision": "r", **READY}, True),
    ],
)
def test_agent_is_ready_by_its_condition_alone(status: Any, ready: bool) -> None:
    assert read(agent({}, status)).ready is ready


def test_annotated_url_is_called_in_place_of_the_gateway() -> None:
    moved = read(agent({}, annotations={"hotpeers.dev/url": "https://other.example/a"}))
    assert (moved.url, moved.gateway) == ("https://other.example/a", False)
    with pytest.raises(MalformedError):
        read(agent({}, annotations={"hotpeers.dev/url": "ftp://other.example"}))


@pytest.mark.parametrize(
    ("annotation", "admitted"),
    [
        (None, {"team"}),
        ("", {"team"}),
        ("sky, sea", {"team", "sky", "sea"}),
        ("sky sea", {"team", "sky", "sea"}),
        ("sky,*", {"team", "sky", "sea", "else"}),
    ],
)
def test_other_namespaces_need_the_annotation_of_the_agent(
    annotation: str | None, admitted: set[str]
) -> None:
    annotations = {} if annotation is None else {ALLOWED_NAMESPACES: annotation}
    audience = read(agent({}, annotations=annotations)).audience
    assert audience is not None
    asking = ("team", "sky", "sea", "else")
    assert {one for one in asking if audience.admits(one, "team", None)} == admitted


@pytest.mark.parametrize("value", ["Team", "team=sky", "-", "a/b"])
def test_malformed_names_of_namespaces_are_refused(value: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read(agent({}, annotations={ALLOWED_NAMESPACES: value}))
    assert caught.value.findings[0][1] == f"metadata.annotations[{ALLOWED_NAMESPACES}]"


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("http://kagent-controller.kagent:8083", "http://kagent-controller.kagent:8083"),
        ("https://kagent.example/base/", "https://kagent.example/base"),
    ],
)
def test_gateway_may_have_a_path(url: str, checked: str) -> None:
    assert check_gateway(url) == checked
    assert gateway_reader(checked)(agent()).url == f"{checked}/agents/team/sql"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "kagent",
        "ftp://a",
        "http://",
        "http://u:secret@a",
        "http://a?b",
        "http://a#b",
        "h" * 2000,
    ],
)
def test_text_that_is_not_a_gateway_is_refused(url: str) -> None:
    with pytest.raises(UrlError) as caught:
        check_gateway(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "public",
    [
        DEFAULT_GATEWAY,
        "https://kagent.example.com",
        "https://kagent.example.com/a2a",
        "http://localhost:8083",
        "http://0.0.0.0:9999",
        "https://[::1]",
    ],
)
def test_public_address_of_the_gateway_means_the_gateway_that_is_set(public: str) -> None:
    declared = (
        Interface(f"{public}/agents/team/sql", "JSONRPC", "1.0", "team/sql", True),
        Interface(public, "GRPC", "1.0", "team/sql", True),
    )
    placed = place(declared, HOME, gateway=True)
    assert placed.interfaces == (
        Interface(HOME, "JSONRPC", "1.0", "team/sql", True),
        Interface(DEFAULT_GATEWAY, "GRPC", "1.0", "team/sql", True),
    )
    again = place(declared, "https://in.example/k/agents/team/sql", gateway=True)
    assert [one.url for one in again.interfaces] == [
        "https://in.example/k/agents/team/sql",
        "https://in.example:443",
    ]
