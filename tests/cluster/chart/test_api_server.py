"""The API server accepts the rendered templates: every field is known and valid."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from kit.apiserver.client import Api, Object, read_yaml
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.resources import install_crd
from kit.apiserver.server import Cluster
from kit.chart.helm import CHART, Helm
from kit.chart.operators import install_operators
from kit.chart.rendering import INSTALL
from kit.chart.variants import VARIANTS, Variant

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def try_to_apply(api: Api, manifest: Object) -> Object:
    """Apply without effect; a field that is unknown or given twice is refused."""
    query = "dryRun=All&fieldManager=helm&force=true&fieldValidation=Strict"
    path = f"{api.path(manifest)}?{query}"
    return api.request("PATCH", path, manifest, content_type="application/apply-patch+yaml")


@pytest.fixture(scope="module")
def operators(shared_cluster: Cluster) -> None:
    shared_cluster.start()
    install_operators(shared_cluster.api)


@pytest.fixture
def place(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """The namespace of a release."""
    name = str(request.param)
    create_namespace(cluster.api, name, RESTRICTED)
    yield name
    remove_namespace(cluster.api, name)


@pytest.mark.usefixtures("operators", "place")
@pytest.mark.parametrize(
    ("variant", "place"),
    [pytest.param(it, it.namespace, id=name) for name, it in VARIANTS.items()],
    indirect=["place"],
)
def test_every_object_is_taken(cluster: Cluster, helm: Helm, variant: Variant) -> None:
    objects = helm.render(*variant.sets, release=variant.release, namespace=variant.namespace)
    for manifest in objects:
        try_to_apply(cluster.api, manifest)


@pytest.mark.parametrize("place", ["hotpeers-system"], indirect=True)
def test_install_manifest_is_taken(cluster: Cluster, place: str) -> None:
    objects = read_yaml(INSTALL)
    assert objects[0]["kind"] == "Namespace"
    assert objects[0]["metadata"]["name"] == place
    for manifest in objects:
        try_to_apply(cluster.api, manifest)


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("place", ["team"], indirect=True)
def test_examples_for_artifact_hub_are_taken(cluster: Cluster, place: str) -> None:
    policies = CHART.parent / "crds" / "spawnpolicies.hotpeers.dev.yaml"
    install_crd(cluster.api, policies)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    for example in yaml.safe_load(chart["annotations"]["artifacthub.io/crdsExamples"]):
        assert example["metadata"]["namespace"] == place
        try_to_apply(cluster.api, example)


@pytest.mark.parametrize("place", ["restricted"], indirect=True)
@pytest.mark.parametrize("variant", ["default", "cert-manager", "everything"])
def test_pod_is_admitted_where_restricted_is_enforced(
    cluster: Cluster, helm: Helm, place: str, variant: str
) -> None:
    objects = helm.render(*VARIANTS[variant].sets, namespace=place)
    (deployment,) = (it for it in objects if it["kind"] == "Deployment")
    template = deployment["spec"]["template"]
    metadata = {**template["metadata"], "name": "controller", "namespace": place}
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}
    (container,) = try_to_apply(cluster.api, pod)["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("place", ["restricted"], indirect=True)
def test_pod_of_less_care_would_be_refused(cluster: Cluster, place: str) -> None:
    containers = [{"name": "a", "image": "b"}]
    metadata = {"name": "careless", "namespace": place}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}}
    pod["spec"] = {"containers": containers}
    with pytest.raises(Exception, match="violates PodSecurity"):
        try_to_apply(cluster.api, pod)
