"""What the containers of the injection ask for beside an agent, and what a LimitRange makes of it."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.inject.annotations import Wishes, read_annotations
from hotpeers.inject.injector import make_patch
from hotpeers.inject.outcome import Injection, Skip
from hotpeers.inject.resources import choose_resources, in_bytes, millicores
from kit.apiserver.client import ApiError
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.server import Cluster
from kit.pods.pod_cases import RESOURCES as DEFAULTS
from kit.waiting import until

INJECTION = Injection("hotpeers:1", resources=DEFAULTS, registry_url="http://registry:12121")
Resources = dict[str, dict[str, str]]


def amounts(requests: str = "", limits: str = "") -> Resources:
    """`cpu memory`, of each a dash for none."""
    found = {}
    for kind, text in (("requests", requests), ("limits", limits)):
        pairs = zip(("cpu", "memory"), text.split(), strict=False)
        if chosen := {name: amount for name, amount in pairs if amount != "-"}:
            found[kind] = chosen
    return found


@pytest.mark.parametrize(
    ("requests", "limits", "ours"),
    [
        # Nothing is known of the agent: as installed.
        ("", "", ("10m 64Mi", "- 256Mi")),
        ("1 1Gi", "", ("10m 64Mi", "- 256Mi")),
        # A wide ratio: as before, with a limit of CPU where a quota may ask for it.
        ("10m 64Mi", "2 4Gi", ("10m 64Mi", "500m 256Mi")),
        ("100m 384Mi", "2000m 1Gi", ("25m 96Mi", "500m 256Mi")),
        # A narrow one is kept, at the least amounts that a sidecar works with.
        ("500m 1Gi", "1 2Gi", ("50m 128Mi", "100m 256Mi")),
        ("250m 1Gi", "1 1Gi", ("50m 256Mi", "200m 256Mi")),
        ("1 1Gi", "1 1Gi", ("100m 256Mi", "100m 256Mi")),
        ("40m 100Mi", "40m 100Mi", ("50m 256Mi", "50m 256Mi")),
        # Where a request is missing, Kubernetes takes the limit for it.
        ("", "250m 1Gi", ("100m 256Mi", "100m 256Mi")),
        ("- 1Gi", "2 2Gi", ("100m 128Mi", "100m 256Mi")),
        # Nothing is made of amounts that are not understood.
        ("1e1 1E", "1e2 2E", ("10m 64Mi", "- 256Mi")),
        ("0 0", "0 0", ("10m 64Mi", "- 256Mi")),
    ],
)
def test_resources_beside_an_agent(requests: str, limits: str, ours: tuple[str, str]) -> None:
    target = {"name": "agent", "resources": amounts(requests, limits)}
    assert choose_resources(target, DEFAULTS, {}) == amounts(*ours)


@pytest.mark.parametrize(
    ("own", "requests", "limits", "ours"),
    [
        ({"memory-limit": "128Mi"}, "", "", ("10m 64Mi", "- 128Mi")),
        ({"memory-request": "300Mi"}, "", "", ("10m 300Mi", "- 300Mi")),
        ({"cpu-limit": "1"}, "", "", ("10m 64Mi", "1 256Mi")),
        ({"cpu-limit": "200m"}, "500m 1Gi", "1 2Gi", ("100m 128Mi", "200m 256Mi")),
        ({"cpu-request": "80m"}, "500m 1Gi", "1 2Gi", ("80m 128Mi", "160m 256Mi")),
        ({"memory-limit": "128Mi"}, "1 1Gi", "1 1Gi", ("100m 128Mi", "100m 128Mi")),
        ({"memory-request": "64Mi"}, "1 1Gi", "1 1Gi", ("100m 64Mi", "100m 256Mi")),
        ({"cpu-request": "5m", "cpu-limit": "50m"}, "1 1Gi", "1 1Gi", ("5m 256Mi", "50m 256Mi")),
    ],
)
def test_resources_set_by_the_pod_are_used(
    own: dict[str, str], requests: str, limits: str, ours: tuple[str, str]
) -> None:
    target = {"name": "agent", "resources": amounts(requests, limits)}
    assert choose_resources(target, DEFAULTS, own) == amounts(*ours)


def test_installation_without_resources_sets_no_resources() -> None:
    target = {"name": "agent", "resources": amounts("1 1Gi", "- 1Gi")}
    assert choose_resources(target, {}, {}) == {}


@given(
    request=st.integers(1, 4000),
    limit=st.integers(1, 4000),
    memory=st.integers(1, 2**14),
    most=st.integers(1, 2**14),
    installed=st.sampled_from([DEFAULTS, {"limits": {"memory": "100Mi"}}]),
)
def test_ratio_of_limit_to_request_never_exceeds_the_agents(
    request: int, limit: int, memory: int, most: int, installed: Resources
) -> None:
    limit, most = max(request, limit), max(memory, most)
    agent = amounts(f"{request}m {memory}Mi", f"{limit}m {most}Mi")
    ours = choose_resources({"name": "agent", "resources": agent}, installed, {})
    for name, read in (("cpu", millicores), ("memory", in_bytes)):
        theirs, mine = (
            Fraction(read(one["limits"][name]) or 0, read(one["requests"][name]) or 0)
            for one in (agent, ours)
        )
        assert 1 <= mine <= theirs
    assert (millicores(ours["limits"]["cpu"]) or 0) >= min(50, limit)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("cpu-request", one) for one in ("0", "-1", "much", "1e3", "10Mi", "1;2", "0.0001")),
        *(("cpu-limit", one) for one in ("49m", "0.04", "x")),
        *(("memory-request", one) for one in ("1", "12", "64mi", "1m", "1 Gi")),
        *(("memory-limit", one) for one in ("64Mi", "50000", "")),
    ],
)
def test_invalid_amount_skips_the_pod(name: str, value: str) -> None:
    found = read_annotations({"hotpeers.dev/inject": "true", f"hotpeers.dev/{name}": value})
    if not value:
        assert isinstance(found, Wishes)
        return
    assert isinstance(found, Skip)
    assert f"hotpeers.dev/{name}" in str(found)


def test_a_request_above_its_limit_skips_the_pod() -> None:
    annotations = {"hotpeers.dev/inject": "true", "hotpeers.dev/cpu-limit": "100m"}
    assert isinstance(read_annotations(annotations), Wishes)
    found = read_annotations({**annotations, "hotpeers.dev/cpu-request": "0.2"})
    assert isinstance(found, Skip)
    assert "above the limit 100m" in str(found)


@pytest.fixture(scope="module")
def strict(shared_cluster: Cluster) -> Iterator[Cluster]:
    """An API server with a namespace for pods, and in it a LimitRange with a ratio of 2."""
    create_namespace(shared_cluster.api, "ratio", {})
    ratio = {"type": "Container", "maxLimitRequestRatio": {"cpu": "2", "memory": "2"}}
    manifest = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "strict", "namespace": "ratio"},
        "spec": {"limits": [ratio, {**ratio, "type": "Pod"}]},
    }
    shared_cluster.api.create(manifest)
    yield shared_cluster
    remove_namespace(shared_cluster.api, "ratio")


@pytest.fixture(scope="module")
def quota(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The same with another namespace, which has as much as an agent and its sidecar need."""
    create_namespace(shared_cluster.api, "quota", {})
    allow(shared_cluster, {"requests.cpu": "550m", "requests.memory": "640Mi"})
    until("the quota to be known", lambda: is_refused(shared_cluster), 20)
    yield shared_cluster
    remove_namespace(shared_cluster.api, "quota")


def allow(cluster: Cluster, hard: dict[str, str]) -> None:
    """Set the quota; its controller, which says what is used, does not run here."""
    metadata = {"name": "strict", "namespace": "quota"}
    manifest = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata}
    made = cluster.api.create({**manifest, "spec": {"hard": hard}})
    made["status"] = {"hard": hard, "used": dict.fromkeys(hard, "0")}
    cluster.api.request("PUT", f"{cluster.api.path(manifest)}/status", made)


def offer(cluster: Cluster, pod: dict[str, Any]) -> None:
    """Offer a pod to the API server; `ApiError` if it is refused."""
    namespace = pod["metadata"]["namespace"]
    cluster.api.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)


@pytest.mark.parametrize("agent", ["500m 512Mi/1 1Gi", "1 1Gi/1 1Gi", "60m 100M/100m 200M"])
@pytest.mark.parametrize("native", [True, False])
def test_a_limit_range_with_a_ratio_takes_the_injected_pod(
    strict: Cluster, agent: str, native: bool
) -> None:
    pod = pod_with(amounts(*agent.split("/")))
    offer(strict, pod)
    injection = Injection(
        "hotpeers:1",
        native_sidecars=native,
        resources=DEFAULTS,
        registry_url=INJECTION.registry_url,
    )
    verdict = make_patch(pod, "ratio", injection)
    patched = jsonpatch.apply_patch(pod, list(verdict.operations))
    offer(strict, patched)
    # It is the ratio that would have been refused.
    spec = patched["spec"]
    for container in [*spec["initContainers"], *spec["containers"]]:
        if container["name"] == "hotpeers":
            container["resources"] = {**DEFAULTS, "limits": {"cpu": "500m", "memory": "256Mi"}}
    with pytest.raises(ApiError, match="max limit to request ratio"):
        offer(strict, patched)


def test_quota_counts_only_the_sidecar(quota: Cluster) -> None:
    agent = amounts("500m 512Mi", "1 1Gi")
    pod = pod_with(agent, "quota")
    del pod["metadata"]["annotations"]["hotpeers.dev/spawn"]
    verdict = make_patch(pod, "ratio", INJECTION)
    patched = jsonpatch.apply_patch(pod, list(verdict.operations))
    reader = patched["spec"]["initContainers"][1]
    assert (reader["name"], reader["resources"]) == ("hotpeers-pythonpath", agent)
    offer(quota, patched)
    # One mebibyte more, and it is refused.
    patched["spec"]["initContainers"][0]["resources"]["requests"]["memory"] = "129Mi"
    with pytest.raises(
        ApiError, match=r"exceeded quota: strict, requested: requests\.memory=641Mi"
    ):
        offer(quota, patched)


def is_refused(cluster: Cluster) -> bool:
    """Whether the quota refuses a pod that asks for nothing."""
    try:
        offer(cluster, pod_with({}, "quota"))
    except ApiError as error:
        return "must specify" in str(error)
    return False


def pod_with(resources: Resources, namespace: str = "ratio") -> dict[str, Any]:
    annotations = {"hotpeers.dev/inject": "true", "hotpeers.dev/spawn": "true"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "agent", "namespace": namespace, "annotations": annotations},
        "spec": {
            "serviceAccountName": "default",
            "containers": [{"name": "agent", "image": "agent:1", "resources": resources}],
        },
    }
