"""What is read of an Orchestrator, also of one that no schema has checked."""

from typing import Any

import pytest
import yaml

from hotpeers.base.names import NamespacedName
from hotpeers.base.view import MalformedError
from hotpeers.model.orchestrator import read_orchestrator
from hotpeers_shim.contract import DEFAULT_DEPTH, MAX_DEPTH
from kit.apiserver.resources import ORCHESTRATORS


def manifest(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "lead", "namespace": "team", "uid": "u-1", "generation": 3}
    return {"metadata": metadata, "spec": spec}


def test_defaults_without_a_spec() -> None:
    for data in (manifest(), {**manifest(), "spec": None}, {"metadata": manifest()["metadata"]}):
        one = read_orchestrator(data)
        assert one.key == NamespacedName("team", "lead")
        assert (one.uid, one.generation, one.token_version) == ("u-1", 3, 1)
        assert one.token_secret == "lead-hotpeers-token"
        assert one.tool_server == "lead-hotpeers"
        assert one.namespaces == frozenset()
        assert one.selector.matches({})
        assert (one.concurrent_calls, one.calls_per_minute, one.depth) == (32, 600, 8)
        assert (one.passes_user_headers, one.has_tool_server) == (False, True)


def test_fields_that_are_null_have_their_defaults() -> None:
    one = read_orchestrator(manifest(selector=None, namespaces=None, limits=None, tokenSecret=None))
    assert one == read_orchestrator(manifest())


def test_depth_of_the_schema_is_that_of_every_chain() -> None:
    (version,) = yaml.safe_load(ORCHESTRATORS.read_text())["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    depth = spec["limits"]["properties"]["depth"]
    limits = (depth["minimum"], depth["default"], depth["maximum"])
    assert limits == (1, DEFAULT_DEPTH, MAX_DEPTH)


def test_selector_needs_labels_and_expressions() -> None:
    expressions = [{"key": "tier", "operator": "NotIn", "values": ["tin"]}]
    one = read_orchestrator(
        manifest(selector={"matchLabels": {"a": "b"}, "matchExpressions": expressions})
    )
    assert one.selector.matches({"a": "b"})
    assert not one.selector.matches({"a": "b", "tier": "tin"})
    assert not one.selector.matches({})


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}, "spec.selector"),
        ({"namespaces": "team"}, "spec.namespaces"),
        ({"namespaces": [1]}, "spec.namespaces[0]"),
        ({"limits": {"depth": 0}}, "spec.limits.depth"),
        ({"limits": {"depth": 33}}, "spec.limits.depth"),
        ({"limits": {"concurrentCalls": "many"}}, "spec.limits.concurrentCalls"),
        ({"tokenVersion": True}, "spec.tokenVersion"),
        ({"tokenSecret": "../x"}, "spec.tokenSecret"),
        ({"passUserHeaders": "yes"}, "spec.passUserHeaders"),
    ],
)
def test_bad_fields_are_named(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedError) as raised:
        read_orchestrator(manifest(**spec))
    assert raised.value.findings[0][1] == field


def test_object_without_identity_is_malformed() -> None:
    with pytest.raises(MalformedError):
        read_orchestrator({"metadata": {"name": "a", "namespace": "b"}, "spec": {}})
