"""Values that are text in Kubernetes, given as helm reads them from `--set`: as numbers and booleans."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kit.chart.helm import KUBE_VERSION, Helm, HelmError, Object


def rendered(helm: Helm, *arguments: str) -> list[Object]:
    """The objects of a release with these arguments, as people type them."""
    command = ["template", "hotpeers", helm.chart, "--kube-version", KUBE_VERSION]
    return [one for one in yaml.safe_load_all(helm.run(*command, *arguments)) if one]


def controller(objects: list[Object]) -> dict[str, Any]:
    (found,) = (one for one in objects if one["kind"] == "Deployment")
    return dict(found["spec"]["template"])


@pytest.mark.parametrize(
    ("tag", "image"),
    [
        ("1", "hotpeers:1"),
        ("1.10", "hotpeers:1.10"),
        ("0123", "hotpeers:0123"),
        ("20261128", "hotpeers:20261128"),
        ("2026112815", "hotpeers:2026112815"),
    ],
)
@pytest.mark.parametrize("flag", ["--set", "--set-string"])
def test_tag_may_be_a_number(helm: Helm, flag: str, tag: str, image: str) -> None:
    objects = rendered(helm, flag, f"image.tag={tag}")
    (only,) = controller(objects)["spec"]["containers"]
    assert only["image"] == image
    assert {"name": "HOTPEERS_IMAGE", "value": image} in only["env"]
    objects = rendered(helm, flag, f"sidecar.image.tag={tag}")
    (only,) = controller(objects)["spec"]["containers"]
    assert {"name": "HOTPEERS_IMAGE", "value": image} in only["env"]


def test_tag_in_a_file_of_values_may_be_a_number(helm: Helm, tmp_path: Any) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("image: {tag: 20261128}\n")
    (only,) = controller(rendered(helm, "--values", str(values)))["spec"]["containers"]
    assert only["image"] == "hotpeers:20261128"
    # YAML has made it 1.1 by then, which is another tag.
    values.write_text("image: {tag: 1.10}\n")
    with pytest.raises(HelmError, match="tag"):
        rendered(helm, "--values", str(values))


def test_empty_tag_and_digest_are_those_of_the_chart(helm: Helm) -> None:
    default = controller(rendered(helm))["spec"]["containers"][0]["image"]
    for value in ("image.tag=", "image.tag=null", "image.digest=null"):
        assert (
            controller(rendered(helm, "--set", value))["spec"]["containers"][0]["image"] == default
        )


def test_labels_names_and_variables_may_be_numbers_and_booleans(helm: Helm) -> None:
    sets = (
        *("podLabels.version=1", "podLabels.inject=true", "podAnnotations.a=2"),
        *("commonLabels.cost=8", "mcp.podLabels.tier=9", "mcp.podAnnotations.b=10"),
        *("nodeSelector.gpu=false", "serviceAccount.annotations.number=3"),
        *("extraEnv[0].name=LEVEL", "extraEnv[0].value=4", "fullnameOverride=12"),
        *("webhook.namespaceSelector.matchLabels.tier=5", "mcp.enabled=true", "mcp.namespace=42"),
        *("registry.url=http://r", "mcp.tokenSecret.name=t", "mcp.tokenSecret.key=k"),
        *("metrics.podMonitor.enabled=true", "metrics.podMonitor.labels.release=6"),
        *("metrics.dashboards.enabled=true", "metrics.dashboards.labels.grafana_dashboard=1"),
        "metrics.dashboards.annotations.folder=7",
    )
    objects = rendered(helm, *(part for one in sets for part in ("--set", one)))
    by_kind = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    template = by_kind["Deployment", "12-controller"]["spec"]["template"]
    assert template["metadata"]["labels"].items() >= {"version": "1", "inject": "true"}.items()
    assert template["metadata"]["annotations"]["a"] == "2"
    assert template["spec"]["nodeSelector"] == {"gpu": "false"}
    environment = template["spec"]["containers"][0]["env"]
    assert {"name": "LEVEL", "value": "4"} in environment
    selector = next(x["value"] for x in environment if x["name"] == "HOTPEERS_INJECTION_NAMESPACES")
    assert selector.endswith(",tier=5")
    account = by_kind["ServiceAccount", "12-controller"]["metadata"]
    assert account["annotations"] == {"number": "3"}
    for webhook in by_kind["MutatingWebhookConfiguration", "12-injector"]["webhooks"]:
        assert webhook["namespaceSelector"]["matchLabels"] == {"tier": "5"}
    for one in objects:
        metadata = one["metadata"]
        texts = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
        assert all(isinstance(value, str) for value in texts.values()), metadata
    (server,) = by_kind["Deployment", "12-mcp"]["spec"]["template"]["spec"]["containers"]
    assert {"name": "HOTPEERS_NAMESPACE", "value": "42"} in server["env"]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("image.tag=true", "tag"),
        ("mcp.tokenSecret.name=1", "name"),
        ("priorityClassName=1", "priorityClassName"),
        ("log.level=1", "level"),
    ],
)
def test_error_names_the_value_that_cannot_be_a_number(helm: Helm, value: str, named: str) -> None:
    with pytest.raises(HelmError, match=named):
        rendered(helm, "--set", value)


@pytest.mark.parametrize(
    "value", ["guard.enabled=false", "replicaCount=2", "webhook.timeoutSeconds=1"]
)
def test_text_in_place_of_a_number_or_boolean_is_named(helm: Helm, value: str) -> None:
    with pytest.raises(HelmError, match=value.partition("=")[0].rpartition(".")[2]):
        rendered(helm, "--set-string", value)
