"""The namespaces of the webhook and those of the controller's bindings are the same."""

from __future__ import annotations

import json

import pytest

from cluster.chart.test_render import environment
from hotpeers.model.selector import parse_selector
from kit.chart.helm import Helm, HelmError


def test_controller_binds_only_where_the_webhook_injects(helm: Helm) -> None:
    expressions = [
        {"key": "a", "operator": "In", "values": ["x", "y"]},
        {"key": "b", "operator": "NotIn", "values": ["z"]},
        {"key": "example.com/c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"tier": "agents"}, "matchExpressions": expressions}
    objects = helm.render(f"webhook.namespaceSelector={json.dumps(selector)}")
    allowed = parse_selector(environment(objects)["HOTPEERS_INJECTION_NAMESPACES"])
    name = "kubernetes.io/metadata.name"
    good = {name: "team", "tier": "agents", "a": "x", "example.com/c": ""}
    assert allowed.matches(good)
    for bad in (
        {name: "kube-system"},
        {name: "hotpeers-system"},
        {"tier": "web"},
        {"a": "w"},
        {"b": "z"},
        {"d": ""},
    ):
        assert not allowed.matches({**good, **bad}), bad
    assert not allowed.matches({key: value for key, value in good.items() if key[:7] != "example"})


def test_error_names_the_unknown_operator_of_a_selector(helm: Helm) -> None:
    wrong = '{"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}'
    with pytest.raises(HelmError, match=r"operator Gt is not one of In"):
        helm.render(f"webhook.namespaceSelector={wrong}")
