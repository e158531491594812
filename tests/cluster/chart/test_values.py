"""values.schema.json: every value is described, and unknown values are rejected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from kit.chart.helm import CHART, Helm, HelmError

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_lint_reports_no_problem(helm: Helm) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm.lint()


def described(schema: dict[str, Any], values: Any, path: str = "") -> None:
    """Fail where a value has no place in the schema, or a place has no value."""
    if "$ref" in schema or not isinstance(values, dict) or "properties" not in schema:
        return
    names = {
        name
        for name, inner in schema["properties"].items()
        if name != "global" and not inner.get("deprecated")
    }
    # If the default is an empty object, only the schema lists the allowed keys.
    assert set(values) == names or not values, f"{path}: {set(values) ^ names}"
    assert schema["additionalProperties"] is False, path
    for name, value in values.items():
        described(schema["properties"][name], value, f"{path}.{name}")


def test_schema_has_the_values_that_there_are() -> None:
    described(SCHEMA, VALUES)


def test_every_value_has_a_description() -> None:
    """In values.yaml, and so in the schema and the README, which are made of it."""
    silent = [
        path
        for path, schema in properties(SCHEMA)
        if "description" not in schema and "properties" not in schema
    ]
    assert silent == []


def properties(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}{name}", inner
        yield from properties(inner, f"{path}{name}.")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("replica=1", "replica"),
        ("replicaCount=-1", "replicaCount"),
        ("replicas=-1", "replicas"),
        ('replicaCount="two"', "replicaCount"),
        ('extraArgs="--log-level=debug"', "extraArgs"),
        ('extraVolumes=[{"emptyDir": {}}]', "extraVolumes"),
        ("ports.webhook=443", "webhook"),
        ('dnsPolicy="Cluster"', "dnsPolicy"),
        ('serviceAccount.name="default"', "serviceAccount"),
        ("serviceAccount.automount=false", "automount"),
        ('enabled="no"', "enabled"),
        ('sidecar.canary.pullPolicy="Always"', "pullPolicy"),
        ('hub.extraEnv=[{"name": "HOTPEERS_SELECTOR", "value": "x"}]', "extraEnv"),
        ('image.repo="x"', "repo"),
        ('image.tag="a b"', "tag"),
        ('image.digest="sha256:abc"', "digest"),
        ('image.repository=""', "repository"),
        ('image.repository="registry:5000/hotpeers:1"', "repository"),
        ('networkPolicy.apiServer.cidrs=["10.0.0.1"]', "cidrs"),
        ('image.pullPolicy="Sometimes"', "pullPolicy"),
        ('log.level="loud"', "level"),
        ("rbac.Auto=false", "Auto"),
        ("webhook.timeoutSeconds=31", "timeoutSeconds"),
        ('webhook.failurePolicy="Fail"', "failurePolicy"),
        ('certificates.certManager.issuerRef={"nam": "x"}', "issuerRef"),
        ('sidecar.native="sometimes"', "native"),
        ('sidecar.resources.limits={"memory": "much"}', "memory"),
        ('sidecar.resources.claims=[{"name": "gpu"}]', "claims"),
        ('extraEnv=[{"name": "HOTPEERS_IMAGE", "value": "x"}]', "extraEnv"),
        ('extraEnv=[{"value": "x"}]', "name"),
        ('imagePullSecrets=["registry"]', "imagePullSecrets"),
        ("networkPolicy.apiServer.ports=[]", "ports"),
        ('kagent.gateway="kagent:8083"', "gateway"),
        ('fullnameOverride="Upper"', "fullnameOverride"),
        ('podLabels={"a": 1.5}', "podLabels"),
    ],
)
def test_invalid_value_is_refused_and_named(helm: Helm, value: str, named: str) -> None:
    with pytest.raises(HelmError, match=named):
        helm.render(value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            ("terminationGracePeriodSeconds=5",),
            "terminationGracePeriodSeconds must be more than webhook.drainSeconds",
        ),
        (
            ('podLabels={"app.kubernetes.io/name": "x"}',),
            "podLabels: app.kubernetes.io/name is a label that the chart sets",
        ),
        (
            ('commonLabels={"app.kubernetes.io/version": "x"}',),
            "commonLabels: app.kubernetes.io/version is a label that the chart sets",
        ),
        (
            ("hub.enabled=true", 'hub.podLabels={"app.kubernetes.io/component": "x"}'),
            "hub.podLabels: app.kubernetes.io/component is a label that the chart sets",
        ),
        (
            ("serviceAccount.create=false",),
            "name the account that you create in serviceAccount.name",
        ),
        (
            ("hub.enabled=true", "hub.serviceAccount.create=false"),
            "name the account that you create in hub.serviceAccount.name",
        ),
        (("mcp.enabled=true",), "mcp.enabled needs registry.url"),
        (
            ("mcp.enabled=true", 'registry.url="http://r"'),
            "mcp.enabled needs mcp.tokenSecret.name",
        ),
    ],
)
def test_conflicting_values_are_refused_and_named(
    helm: Helm, values: tuple[str, ...], said: str
) -> None:
    with pytest.raises(HelmError, match=said):
        helm.render(*values)
