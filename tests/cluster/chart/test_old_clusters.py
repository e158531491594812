"""Clusters that do not serve ValidatingAdmissionPolicies get everything except these policies."""

from __future__ import annotations

import pytest
import yaml

from kit.chart.helm import Helm


@pytest.mark.parametrize(("version", "found"), [("1.29.4", False), ("1.30.0", True)])
def test_policies_are_rendered_where_they_are_served(helm: Helm, version: str, found: bool) -> None:
    text = helm.run("template", "hotpeers", helm.chart, "--kube-version", version)
    kinds = [one["kind"] for one in yaml.safe_load_all(text) if one]
    assert ("ValidatingAdmissionPolicy" in kinds) is found
    assert "ClusterRoleBinding" in kinds


def test_policy_of_bindings_is_omitted_without_the_right_to_bind(helm: Helm) -> None:
    names = [
        one["metadata"]["name"]
        for one in helm.render("rbac.auto=false", "orchestrators.enabled=false")
    ]
    assert not {"hotpeers-bindings", "hotpeers-workloads"} & set(names)
