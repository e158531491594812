"""SpawnPolicy: what the view refuses, and that the API server refuses the same."""

from pathlib import Path
from typing import Any

import pytest

from hotpeers.spawnpolicy.reading import PolicyError, read_policy
from kit.apiserver.client import ApiError, Object, read_yaml
from kit.apiserver.resources import install_crd
from kit.apiserver.server import Cluster
from kit.spawning import SPEC, document

ROOT = Path(__file__).parents[3]
CRD = ROOT / "k8s" / "crds" / "spawnpolicies.hotpeers.dev.yaml"
LIMITS = SPEC["limits"]


def limits(**changes: Any) -> dict[str, Any]:
    return {"limits": {**LIMITS, **changes}}


GOOD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "everything": SPEC,
    "audit": {"mode": "Audit", "deletionPolicy": "Retain"},
    "templates": {"templates": {"registry": ["a/b@1.0"], "agents": ["base"], "required": False}},
    "star of a name": {"names": ["a*", "b-*", "c"]},
    "a described label": {"labels": [{"key": "app.kubernetes.io/component"}]},
    "numbers": limits(resources={"cpu": 2, "memory": "1.5Gi"}),
    "restricted pods": {"podSecurity": "restricted"},
    "pods of no level": {"podSecurity": ""},
    "cards": {"a2aConfig": True},
    "secrets of skills": {"skills": {"gitAuthSecrets": ["a"], "imagePullSecrets": ["b.c"]}},
    "longest": limits(ttl={"default": "720h", "max": "43200m"}),
}
BAD: dict[str, dict[str, Any]] = {
    "mode": {"mode": "Off"},
    "cards by a word": {"a2aConfig": "true"},
    "secret of skills by a star": {"skills": {"gitAuthSecrets": ["*"]}},
    "kind of subject": {"subjects": [{"kind": "User", "name": "x"}]},
    "subject elsewhere": {"subjects": [{"kind": "Agent", "name": "x", "namespace": "y"}]},
    "subject of a star": {"subjects": [{"kind": "Agent", "name": "*"}]},
    "33 subjects": {"subjects": [{"kind": "Agent", "name": f"a{n}"} for n in range(33)]},
    "all namespaces": {"targetNamespaces": ["*"]},
    "kube-system": {"targetNamespaces": ["kube-system"]},
    "all names": {"names": ["*"]},
    "star within a name": {"names": ["a*b"]},
    "upper case name": {"names": ["A"]},
    "dot in a name": {"names": ["a.b"]},
    "type": {"types": ["Sandbox"]},
    "runtime": {"runtimes": ["java"]},
    "model of another namespace": {"modelConfigs": ["a/b"]},
    "all models": {"modelConfigs": ["*"]},
    "template without a tag": {"templates": {"registry": ["a"]}},
    "image with a tag": {"images": [{"repository": "a.b/c:1"}]},
    "image without a host": {"images": [{"repository": "python"}]},
    "neither tag nor digest": {"images": [{"repository": "a.b/c", "requireDigest": False}]},
    "server without tools": {"mcpServers": [{"name": "web"}]},
    "server of no tools": {"mcpServers": [{"name": "web", "tools": []}]},
    "kind of server": {"mcpServers": [{"name": "web", "kind": "Pod", "tools": ["a"]}]},
    "approval of others": {
        "mcpServers": [{"name": "web", "tools": ["a"], "requireApproval": ["b"]}]
    },
    "upper case header": {
        "mcpServers": [{"name": "web", "tools": ["a"], "allowedHeaders": ["X-A"]}]
    },
    "git over ssh": {"skills": {"git": [{"url": "git@a:b", "refs": ["x"]}]}},
    "git without refs": {"skills": {"git": [{"url": "https://a.b/c"}]}},
    "s3 without an end": {"skills": {"s3": ["s3://a/b"]}},
    "preload": {"environment": ["LD_PRELOAD"]},
    "proxy": {"environment": ["HTTP_PROXY"]},
    "key of an API": {"environment": ["OPENAI_API_KEY"]},
    "our label": {"labels": [{"key": "hotpeers.dev/peer"}]},
    "kagent's label": {"labels": [{"key": "kagent"}]},
    "what the linker reads": {"environment": ["GLIBC_TUNABLES"]},
    "a file of modules": {"environment": ["OPENSSL_CONF"]},
    "where tokens come from": {"environment": ["STS_WELL_KNOWN_URI"]},
    "another network": {"annotations": [{"key": "k8s.v1.cni.cncf.io/networks"}]},
    "another injection": {
        "annotations": [{"key": "instrumentation.opentelemetry.io/inject-python"}]
    },
    "a Service of all clusters": {"annotations": [{"key": "service.cilium.io/global"}]},
    "a cloud's identity": {"annotations": [{"key": "eks.amazonaws.com/role-arn"}]},
    "negative prompt": {"maxPromptLength": -1},
    "endless prompt": {"maxPromptLength": 65_537},
    "prompt as text": {"maxPromptLength": "10"},
    "a flag as text": {"allowOrchestrators": "true"},
    "a lower level": {"podSecurity": "baseline"},
    "a level of another case": {"podSecurity": "Restricted"},
    "a level as a flag": {"podSecurity": True},
    "no agents": limits(maxAgents=0),
    "endless agents": limits(maxAgents=10_001),
    "no depth": limits(maxDepth=0),
    "endless depth": limits(maxDepth=9),
    "no window": limits(creates={"count": 1}),
    "window of zero": limits(creates={"count": 1, "window": "0s"}),
    "window of words": limits(creates={"count": 1, "window": "a while"}),
    "no ttl": {"limits": {"maxAgents": 1, "creates": {"count": 1, "window": "1h"}}},
    "ttl without a unit": limits(ttl={"default": "10", "max": "1h"}),
    "endless ttl": limits(ttl={"default": "1h", "max": "721h"}),
    "default above max": limits(ttl={"default": "2h", "max": "1h"}),
    "resources of one kind": limits(resources={"cpu": 1}),
    "resource of words": limits(resources={"cpu": "much", "memory": "1Gi"}),
    "negative resource": limits(resources={"cpu": -1, "memory": "1Gi"}),
}
STRANGE: dict[str, dict[str, Any]] = {
    "a misspelt field": {"target": ["a"]},
    "a misspelt limit": limits(maxDeph=2),
    "a field of a server": {"mcpServers": [{"name": "web", "tools": ["a"], "tool": "b"}]},
}


@pytest.mark.parametrize("name", GOOD)
def test_good_policy_is_read(name: str) -> None:
    assert read_policy(document(GOOD[name])).key == "team/workers"


@pytest.mark.parametrize("name", BAD | STRANGE)
def test_bad_policy_is_refused(name: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read_policy(document((BAD | STRANGE)[name]))
    for path, wrong in refused.value.findings:
        assert path.startswith("spec")
        assert wrong.isprintable()


@pytest.mark.parametrize("data", [None, [], {}, {"kind": "SpawnPolicy"}, {**document({}), "x": 1}])
def test_malformed_policy_is_refused(data: Any) -> None:
    with pytest.raises(PolicyError):
        read_policy(data)


def test_null_spec_is_refused() -> None:
    with pytest.raises(PolicyError):
        read_policy(document(None))


@pytest.fixture
def served(cluster: Cluster) -> Cluster:
    """A cluster that knows SpawnPolicies."""
    install_crd(cluster.api, CRD)
    return cluster


def dry_run(cluster: Cluster, manifest: Object) -> Object:
    path = cluster.api.path(manifest, named=False)
    return cluster.api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", manifest)


def test_api_server_and_the_view_accept_the_same_policies(served: Cluster) -> None:
    for name, spec in GOOD.items():
        stored = dry_run(served, document(spec, namespace="default"))
        # What it fills in means the same to us.
        ours = read_policy(document(spec, namespace="default"))
        assert read_policy(stored).spec == ours.spec, name
    for name, spec in (BAD | STRANGE).items():
        with pytest.raises(ApiError) as refused:
            dry_run(served, document(spec, namespace="default"))
        assert refused.value.status in {400, 422}, name
        assert "rule evaluation" not in refused.value.message, name


def test_examples_are_admitted(served: Cluster) -> None:
    files = sorted((ROOT / "k8s" / "examples").glob("*/policy.yaml"))
    assert len(files) == 3
    for file in files:
        for manifest in read_yaml(file):
            manifest["metadata"]["namespace"] = "default"
            assert dry_run(served, manifest)["spec"]["limits"]


def test_policies_are_listed_as_people_look_for_them(served: Cluster, namespace: str) -> None:
    made = served.api.create(document(SPEC, namespace=namespace))
    status = {
        "agentsAlive": 3,
        "denials": 7,
        "lastDenial": {"reason": "TooDeep", "subject": "team/lead", "time": "2026-11-01T12:00:00Z"},
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Ready",
                "message": "",
                "lastTransitionTime": "2026-11-01T12:00:00Z",
            }
        ],
    }
    served.api.patch(made, {"status": status}, subresource="status")
    table = served.api.table("hotpeers.dev/v1alpha1", "SpawnPolicy", namespace)
    shown = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert shown == ["Name", "Mode", "Alive", "Max", "Ready", "Age"]
    assert table["rows"][0]["cells"][:5] == ["workers", "Enforce", 3, 5, "True"]
    met = {
        one["type"]: one["status"]
        for one in served.api.read(read_yaml(CRD)[0])["status"]["conditions"]
    }
    assert "NonStructuralSchema" not in met
    # A status of the spec's writer is dropped.
    assert "status" not in dry_run(served, {**document(SPEC, "b", namespace), "status": status})
