"""Manifests that are injected without a cluster, compared with the pods that the webhook gets."""

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.inject.injector import make_patch
from hotpeers.inject.offline import Outcome, Result, inject_document, namespaces_of
from hotpeers.inject.reasons import InjectReason
from hotpeers.inject.remedies import REMEDIES
from kit.pods.pod_cases import INJECTION, NAMESPACE, Case, all_cases

ASKED = {"hotpeers.dev/inject": "true"}
# Kubernetes gives each pod a ServiceAccount, unless its plug-in is disabled.
CASES = [case for case in all_cases() if case.name != "no-service-account"]
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"


def template(**annotations: str) -> dict[str, Any]:
    notes = {name.replace("_", "-"): value for name, value in annotations.items()}
    notes = {f"hotpeers.dev/{name}": value for name, value in notes.items()}
    container = {"name": "agent", "image": "agent:1", "command": ["python", "app.py"]}
    metadata = {"labels": {"app": "a"}, "annotations": {**ASKED, **notes}}
    return {"metadata": metadata, "spec": {"containers": [container]}}


def deployment(pod: dict[str, Any]) -> dict[str, Any]:
    metadata = {"namespace": NAMESPACE, "name": "concierge"}
    spec = {"selector": {"matchLabels": {"app": "a"}}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def injected(document: Any, **spaces: Any) -> Outcome:
    return inject_document(document, NAMESPACE, INJECTION, spaces)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_pod_gets_what_the_webhook_patches(case: Case) -> None:
    pod = {**case.pod, "apiVersion": "v1", "kind": "Pod"}
    before = copy.deepcopy(pod)
    found = inject_document(pod, NAMESPACE, case.injection, {})
    assert pod == before
    patch = make_patch(pod, NAMESPACE, case.injection)
    if patch.skip is not None:
        assert (found.result, found.skips) == (Result.SKIPPED, (patch.skip,))
        assert found.document == before
    else:
        assert found.operations == patch.operations
        assert found.document == jsonpatch.apply_patch(pod, list(patch.operations))


@pytest.mark.parametrize(
    ("kind", "version", "path"),
    [
        ("Deployment", "apps/v1", ["spec", "template"]),
        ("StatefulSet", "apps/v1", ["spec", "template"]),
        ("DaemonSet", "apps/v1", ["spec", "template"]),
        ("ReplicaSet", "apps/v1", ["spec", "template"]),
        ("ReplicationController", "v1", ["spec", "template"]),
        ("PodTemplate", "v1", ["template"]),
        ("CronJob", "batch/v1", ["spec", "jobTemplate", "spec", "template"]),
        ("Rollout", "argoproj.io/v1alpha1", ["spec", "template"]),
    ],
)
def test_template_of_each_workload_is_injected(kind: str, version: str, path: list[str]) -> None:
    document: Any = template()
    for key in reversed(path):
        document = {key: document}
    document |= {"apiVersion": version, "kind": kind, "metadata": {"name": "concierge"}}
    found = injected(document)
    assert found.result is Result.INJECTED
    assert found.document == jsonpatch.apply_patch(document, list(found.operations))
    here = found.document
    for key in path:
        here = here[key]
    (sidecar, _) = here["spec"]["initContainers"]
    values = {one["name"]: one.get("value") for one in sidecar["env"]}
    assert values["HOTPEERS_ORCHESTRATOR"] == f"{NAMESPACE}/concierge"
    # Kubernetes sets these itself: they were assumed, and are not written.
    assert "serviceAccountName" not in here["spec"]
    assert "ownerReferences" not in here["metadata"]


def test_webhook_leaves_pods_of_an_injected_template_unchanged() -> None:
    pod = injected(deployment(template())).document["spec"]["template"]
    # As the API server completes it before it calls the webhook.
    pod["spec"]["serviceAccountName"] = "default"
    pod["spec"]["volumes"].append({"name": "kube-api-access-x", "projected": {"sources": []}})
    for one in [*pod["spec"]["containers"], *pod["spec"]["initContainers"]]:
        mounts = one.setdefault("volumeMounts", [])
        if all(mount["mountPath"] != TOKEN for mount in mounts):
            mounts.append({"name": "kube-api-access-x", "mountPath": TOKEN, "readOnly": True})
    assert make_patch(pod, NAMESPACE, INJECTION).operations == ()


def test_part_that_is_left_out_is_named_with_its_reason() -> None:
    found = injected(deployment(template(spawn="true", typo="1")))
    assert found.result is Result.INJECTED
    assert [skip.reason for skip in found.skips] == [InjectReason.REGISTRY_UNKNOWN]
    assert found.warnings == ("hotpeers.dev/typo is no annotation of hotpeers, and is ignored",)


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "annotations": ASKED}},
        {"apiVersion": "other.dev/v1", "kind": "Deployment", "spec": {"template": template()}},
        {"apiVersion": "kagent.dev/v1alpha2", "kind": "ModelConfig"},
        {"kind": "Deployment", "spec": 7},
        "text",
        None,
        [],
    ],
)
def test_other_documents_stay(document: Any) -> None:
    found = injected(document)
    assert (found.result, found.document, found.operations) == (Result.OTHER, document, ())


@pytest.mark.parametrize(
    "change",
    [
        {"spec": None},
        {"spec": []},
        {"spec": {}},
        {"spec": {"containers": 7}},
        {"spec": {"containers": [7]}},
        {"spec": {"containers": [{"image": "x"}]}},
        {"metadata": {"annotations": {"hotpeers.dev/inject": True}}},
        {"metadata": {"annotations": [1]}},
    ],
)
def test_malformed_template_is_invalid(change: dict[str, Any]) -> None:
    found = injected(deployment({**template(), **change}))
    assert found.result is Result.INVALID
    assert found.warnings


def test_value_without_quotes_is_explained() -> None:
    found = injected(deployment({**template(), "metadata": {"annotations": {"a": True}}}))
    assert found.warnings == (
        "spec.template.metadata.annotations.a: string is needed, not bool; put quotes around it",
    )
    document = agent()
    document["spec"]["declarative"]["deployment"]["annotations"]["hotpeers.dev/inject"] = True
    assert injected(document).result is Result.INVALID


def test_job_whose_name_is_generated_is_injected() -> None:
    job = {**deployment(template()), "apiVersion": "batch/v1", "kind": "Job"}
    job["metadata"] = {"namespace": NAMESPACE, "generateName": "job-"}
    found = injected(job)
    assert (found.result, found.title) == (Result.INJECTED, f"Job {NAMESPACE}/job-")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["containers", "name", "env", "command", "image", "volumes", "metadata"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(spec=VALUES, metadata=VALUES, kind=st.sampled_from(["Deployment", "Pod", "Agent"]))
def test_no_document_raises(spec: Any, metadata: Any, kind: str) -> None:
    version = {"Deployment": "apps/v1", "Pod": "v1", "Agent": "kagent.dev/v1alpha2"}[kind]
    asked = {**metadata, "annotations": ASKED} if isinstance(metadata, dict) else metadata
    inner = {"metadata": asked, "spec": spec}
    document = {"apiVersion": version, "kind": kind, **inner}
    if kind == "Deployment":
        document["spec"] = {"template": inner}
    injected(document)


def test_deployment_without_template_is_invalid() -> None:
    document = deployment(template())
    del document["spec"]["template"]
    assert injected(document).result is Result.INVALID


def agent(runtime: str = "", *, where: str = "deployment", **annotations: str) -> dict[str, Any]:
    notes = {**ASKED, **{f"hotpeers.dev/{name}": value for name, value in annotations.items()}}
    deployed = {"annotations": notes} if where == "deployment" else {}
    spec = {"type": "Declarative", "declarative": {"runtime": runtime, "deployment": deployed}}
    metadata: Any = {"namespace": NAMESPACE, "name": "a"}
    if where == "metadata":
        metadata["annotations"] = notes
    head = {"apiVersion": "kagent.dev/v1alpha2", "kind": "Agent"}
    return {**head, "metadata": metadata, "spec": spec}


def test_agent_is_foreseen_from_its_deployment() -> None:
    found = injected(agent())
    assert (found.result, found.operations, found.skips) == (Result.EXPECTED, (), ())


@pytest.mark.parametrize(
    ("runtime", "annotations", "reason"),
    [
        ("go", {"bridge": "false"}, InjectReason.NOT_PYTHON),
        ("", {"bridge": "perhaps"}, InjectReason.ANNOTATION_INVALID),
    ],
)
def test_agent_that_would_be_skipped_has_the_reason(
    runtime: str, annotations: dict[str, str], reason: InjectReason
) -> None:
    found = injected(agent(runtime, **annotations))
    assert found.result is Result.SKIPPED
    assert [skip.reason for skip in found.skips] == [reason]


@pytest.mark.parametrize(
    ("runtime", "annotations", "reason"),
    [
        ("", {"spawn": "true"}, InjectReason.REGISTRY_UNKNOWN),
        ("go", {"hot-config": "true"}, InjectReason.HOT_CONFIG_NEEDS_SHIM),
        ("", {"hot-config": "restart-when-idle"}, InjectReason.HOT_CONFIG_NEEDS_BRIDGE),
    ],
)
def test_part_that_an_agent_cannot_get_has_the_reason(
    runtime: str, annotations: dict[str, str], reason: InjectReason
) -> None:
    found = injected(agent(runtime, **annotations))
    assert found.result is Result.EXPECTED
    assert [skip.reason for skip in found.skips] == [reason]


def test_annotation_of_an_agent_in_its_metadata_is_warned_of() -> None:
    found = injected(agent(where="metadata"))
    assert found.result is Result.NOT_ASKED
    assert "has no effect" in found.warnings[0]


def test_agent_of_kagent_1_is_pointed_to_the_hub() -> None:
    document = {**agent(where="metadata"), "apiVersion": "api.kagent.dev/v1alpha1"}
    found = injected(document)
    assert found.result is Result.NOT_ASKED
    assert "hub" in found.warnings[0]


def test_namespace_of_the_same_files_decides() -> None:
    enabled = {
        "labels": {"hotpeers.dev/injection": "enabled"},
        "annotations": {"hotpeers.dev/log-level": "debug"},
    }
    without = agent()
    del without["spec"]["declarative"]["deployment"]["annotations"]
    assert injected(without).result is Result.NOT_ASKED
    assert injected(without, **{NAMESPACE: enabled}).result is Result.EXPECTED
    found = injected(deployment(template()), **{NAMESPACE: enabled})
    env = found.document["spec"]["template"]["spec"]["initContainers"][0]["env"]
    assert {"name": "HOTPEERS_LOG_LEVEL", "value": "debug"} in env
    disabled = {"labels": {"hotpeers.dev/injection": "disabled"}}
    assert injected(deployment(template()), **{NAMESPACE: disabled}).result is Result.DISABLED
    assert injected(agent(), **{NAMESPACE: disabled}).result is Result.DISABLED


def test_each_reason_has_a_remedy() -> None:
    assert set(REMEDIES) == set(InjectReason)
    assert all(text.endswith(".") for text in REMEDIES.values())


CONTAINER = "spec.template.spec.containers[0]"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("env", [{"name": "A", "value": 8080}], "env[0].value: string is needed, not int; put"),
        ("env", "A=1", "env: list is needed, not str"),
        ("command", "python app.py", "command: list is needed, not str"),
        ("command", [7], "command[0]: string is needed, not int; put quotes around it"),
        ("image", 7, "image: string is needed, not int; put quotes around it"),
        ("ports", [{"containerPort": "http"}], "ports[0].containerPort: integer is needed, not"),
        ("volumeMounts", [{"name": "a"}], "volumeMounts[0].mountPath: is missing"),
        ("securityContext", {"runAsUser": "root"}, "securityContext.runAsUser: integer is needed"),
        ("lifecycle", "x", "lifecycle: dictionary is needed, not str"),
    ],
)
def test_wrong_field_of_a_container_is_named(field: str, value: Any, said: str) -> None:
    pod = template()
    pod["spec"]["containers"][0][field] = value
    found = injected(deployment(pod))
    assert found.result is Result.INVALID
    assert found.warnings[0].startswith(f"{CONTAINER}.{said}")


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"name": 7}, "metadata.name: string is needed, not int; put quotes around it"),
        ({"name": "a\x1b[31m\nerror: b"}, "metadata.name: 'a"),
        ({"name": "a" * 100_000}, "metadata.name: 'aaa"),
        ({"namespace": 7}, "metadata.namespace: string is needed"),
        ({"namespace": "No Good!"}, "metadata.namespace: 'No Good!' is not a name"),
    ],
)
def test_name_that_kubernetes_refuses_is_invalid(metadata: dict[str, Any], said: str) -> None:
    document = deployment(template())
    document["metadata"] |= metadata
    found = injected(document)
    assert found.result is Result.INVALID
    assert found.warnings[0].startswith(said)
    assert len(found.title) <= 400
    assert (found.title + found.warnings[0]).isprintable()


def test_pod_without_containers_is_invalid() -> None:
    found = injected(deployment({**template(), "spec": {"containers": []}}))
    assert found.result is Result.INVALID
    assert found.warnings[0].startswith("spec.template.spec.containers: ")


def test_fault_of_a_namespace_is_reported_as_its_own() -> None:
    bad: Any = {"apiVersion": "v1", "kind": "Namespace"}
    bad["metadata"] = {"name": NAMESPACE, "annotations": {"hotpeers.dev/selector": True}}
    assert namespaces_of([bad]) == {}
    found = injected(bad)
    assert found.result is Result.INVALID
    assert found.warnings[0].startswith("metadata.annotations.hotpeers.dev/selector: string")


def test_malformed_agent_is_invalid() -> None:
    document = agent()
    document["spec"]["declarative"]["deployment"] = ["x"]
    found = injected(document)
    assert found.result is Result.INVALID
    assert found.warnings[0].startswith("spec.declarative.deployment: ")


def reports_to(pod: dict[str, Any]) -> list[Any]:
    (sidecar,) = (one for one in pod["spec"]["initContainers"] if one["name"] == "hotpeers")
    names = ("HOTPEERS_REPORT_TO", "HOTPEERS_REPLICA")
    return [one for one in sidecar["env"] if one["name"] in names]


def test_pod_of_a_copied_template_reports_to_its_own_workload() -> None:
    pod = injected(deployment(template())).document["spec"]["template"]
    own = reports_to(pod)
    assert own[0]["value"] == f"{NAMESPACE}/concierge"
    pod["spec"]["serviceAccountName"] = "default"
    pod["metadata"]["labels"]["pod-template-hash"] = "6f"
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "other-6f", "controller": True}
    pod["metadata"]["ownerReferences"] = [owner]
    patch = make_patch(pod, NAMESPACE, INJECTION)
    (operation,) = patch.operations
    assert operation["value"] == f"{NAMESPACE}/other"
    pod = jsonpatch.apply_patch(pod, list(patch.operations))
    assert reports_to(pod) == [{**own[0], "value": f"{NAMESPACE}/other"}, own[1]]
    assert make_patch(pod, NAMESPACE, INJECTION).operations == ()


def test_sidecar_of_a_template_without_a_name_reports_too() -> None:
    job = deployment(template())
    job["metadata"] = {"namespace": NAMESPACE, "generateName": "a-"}
    pod = injected(job).document["spec"]["template"]
    assert reports_to(pod) == []
    pod["spec"]["serviceAccountName"] = "default"
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "a-x", "controller": True}
    pod["metadata"]["ownerReferences"] = [owner]
    pod = jsonpatch.apply_patch(pod, list(make_patch(pod, NAMESPACE, INJECTION).operations))
    assert [one["name"] for one in reports_to(pod)] == ["HOTPEERS_REPORT_TO", "HOTPEERS_REPLICA"]
    assert reports_to(pod)[0]["value"] == f"{NAMESPACE}/a-x"
    assert make_patch(pod, NAMESPACE, INJECTION).operations == ()


@pytest.mark.parametrize(
    "change",
    [
        {"value": "other/victim"},
        {"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
    ],
)
def test_target_of_reports_that_a_user_sets_is_replaced(change: dict[str, Any]) -> None:
    pod = injected(deployment(template())).document["spec"]["template"]
    reports_to(pod)[0].pop("value")
    reports_to(pod)[0].update(change)
    pod["spec"]["serviceAccountName"] = "default"
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "a", "controller": True}
    pod["metadata"]["ownerReferences"] = [owner]
    pod = jsonpatch.apply_patch(pod, list(make_patch(pod, NAMESPACE, INJECTION).operations))
    assert reports_to(pod)[0] == {"name": "HOTPEERS_REPORT_TO", "value": f"{NAMESPACE}/a"}


def test_rollout_may_name_the_workload_that_has_its_template() -> None:
    """Argo's `workloadRef`; the Deployment that it names has the pods' annotations."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "concierge"}
    rollout: dict[str, Any] = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "concierge", "namespace": NAMESPACE},
        "spec": {"replicas": 1, "workloadRef": reference},
    }
    found = injected(rollout)
    assert (found.result, found.document, found.warnings) == (Result.REFERS, rollout, ())
    # It is still an error if there is neither.
    rollout["spec"]["workloadRef"] = {}
    assert injected(rollout).result is Result.INVALID
    rollout["kind"], rollout["apiVersion"] = "Deployment", "apps/v1"
    rollout["spec"]["workloadRef"] = reference
    assert injected(rollout).result is Result.INVALID
