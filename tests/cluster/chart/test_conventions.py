"""Values that charts of controllers usually have, and what they do to each of the programs."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml

from cluster.chart.test_render import TOOLS, one
from kit.chart.helm import CHART, Helm, HelmError, Object
from kit.chart.rendering import K8S

ALL = (*TOOLS, "hub.enabled=true", "console.enabled=true")
# The path of each program's values, and the name of its Deployment.
PROGRAMS = {
    "": "hotpeers-controller",
    "hub.": "hotpeers-hub",
    "mcp.": "hotpeers-mcp",
    "console.": "hotpeers-console",
}
each_program = pytest.mark.parametrize(("path", "name"), PROGRAMS.items(), ids=PROGRAMS.values())


def deployment(objects: list[Object], name: str) -> Object:
    return one(objects, "Deployment", name)["spec"]


def pod(objects: list[Object], name: str) -> dict[str, Any]:
    return dict(deployment(objects, name)["template"]["spec"])


def container(objects: list[Object], name: str) -> dict[str, Any]:
    (only,) = pod(objects, name)["containers"]
    return dict(only)


@pytest.mark.parametrize(("path", "name"), [("", "hotpeers-controller"), ("hub.", "hotpeers-hub")])
def test_number_of_replicas_has_two_names(helm: Helm, path: str, name: str) -> None:
    def replicas(*sets: str) -> int:
        return int(deployment(helm.render(*ALL, *sets), name)["replicas"])

    assert replicas() == 2
    assert replicas(f"{path}replicaCount=3") == 3
    # The old name, as in a file of values that was written for an earlier chart.
    assert replicas(f"{path}replicas=4") == 4
    assert replicas(f"{path}replicas=null") == 2


def test_no_controller_may_run_under_either_name(helm: Helm) -> None:
    for value in ("replicaCount=0", "replicas=0"):
        assert deployment(helm.render(value), "hotpeers-controller")["replicas"] == 0


def test_values_of_another_version_are_refused_with_the_remedy(helm: Helm) -> None:
    """`helm upgrade --reuse-values` leaves out the defaults of the new chart."""
    for missing in ("replicaCount", "enabled", "commonLabels"):
        with pytest.raises(HelmError, match=f"{missing} is missing.*reset-then-reuse-values"):
            helm.render(f"{missing}=null")


def test_common_labels_are_on_every_object_and_pod_but_in_no_selector(helm: Helm) -> None:
    objects = helm.render(*ALL, 'commonLabels={"cost-center": 7}')
    for it in objects:
        assert it["metadata"]["labels"]["cost-center"] == "7", it["metadata"]["name"]
    for name in PROGRAMS.values():
        found = deployment(objects, name)
        assert found["template"]["metadata"]["labels"]["cost-center"] == "7"
        # A selector cannot be changed, so a label in it would make an upgrade fail.
        assert "cost-center" not in found["selector"]["matchLabels"]


@each_program
def test_labels_and_annotations_of_pods(helm: Helm, path: str, name: str) -> None:
    sets = (f'{path}podLabels={{"a": "pod"}}', f'{path}podAnnotations={{"b": 1}}')
    objects = helm.render(*ALL, 'commonLabels={"a": "all", "c": "all"}', *sets)
    metadata = deployment(objects, name)["template"]["metadata"]
    assert (metadata["labels"]["a"], metadata["labels"]["c"]) == ("pod", "all")
    assert metadata["annotations"]["b"] == "1"
    labels = deployment(objects, name)["selector"]["matchLabels"]
    assert labels.items() <= metadata["labels"].items()


@each_program
def test_flags_and_variables_follow_those_of_the_chart(helm: Helm, path: str, name: str) -> None:
    variables = '[{"name": "A", "value": 1}, {"name": "B", "valueFrom": {"fieldRef": {}}}]'
    args = f'{path}extraArgs=["--log-level=debug", "--x"]'
    made = container(helm.render(*ALL, args, f"{path}extraEnv={variables}"), name)
    assert made["args"] == [name.removeprefix("hotpeers-"), "--log-level=debug", "--x"]
    assert made["env"][-2:] == [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"fieldRef": {}}},
    ]


@each_program
def test_volumes_are_added(helm: Helm, path: str, name: str) -> None:
    volume = {"name": "ca", "configMap": {"name": "corporate"}}
    mount = {"name": "ca", "mountPath": "/etc/ssl/more", "readOnly": True}
    sets = (
        f'{path}extraVolumes=[{{"name": "ca", "configMap": {{"name": "corporate"}}}}]',
        f'{path}extraVolumeMounts=[{{"name": "ca", "mountPath": "/etc/ssl/more", "readOnly": true}}]',
    )
    plain, objects = helm.render(*ALL), helm.render(*ALL, *sets)
    volumes, mounts = pod(objects, name)["volumes"], container(objects, name)["volumeMounts"]
    assert volume in volumes
    assert mount in mounts
    assert [it for it in volumes if it != volume] == pod(plain, name)["volumes"]
    assert [it for it in mounts if it != mount] == container(plain, name)["volumeMounts"]


@each_program
def test_placement_of_pods(helm: Helm, path: str, name: str) -> None:
    sets = (
        f'{path}priorityClassName="own"',
        f'{path}nodeSelector={{"own": true}}',
        f'{path}tolerations=[{{"key": "own"}}]',
        f'{path}affinity={{"nodeAffinity": {{}}}}',
    )
    made = pod(helm.render(*ALL, 'imagePullSecrets=[{"name": "registry"}]', *sets), name)
    assert made["priorityClassName"] == "own"
    assert made["nodeSelector"] == {"own": "true"}
    assert made["tolerations"] == [{"key": "own"}]
    assert made["affinity"] == {"nodeAffinity": {}}
    assert made["imagePullSecrets"] == [{"name": "registry"}]


@pytest.mark.parametrize("name", ["hotpeers-hub", "hotpeers-mcp"])
def test_other_programs_inherit_the_controllers_placement_but_not_its_affinity(
    helm: Helm, name: str
) -> None:
    sets = (
        'priorityClassName="high"',
        'nodeSelector={"os": "linux"}',
        'tolerations=[{"operator": "Exists"}]',
        'affinity={"podAntiAffinity": {}}',
        # OpenShift chooses the user itself.
        "podSecurityContext.runAsUser=null",
        'containerSecurityContext={"readOnlyRootFilesystem": false}',
    )
    objects = helm.render(*ALL, *sets)
    made = pod(objects, name)
    assert made["priorityClassName"] == "high"
    assert made["nodeSelector"] == {"os": "linux"}
    assert made["tolerations"] == [{"operator": "Exists"}]
    assert "affinity" not in made
    assert "runAsUser" not in made["securityContext"]
    assert container(objects, name)["securityContext"]["readOnlyRootFilesystem"] is False


@each_program
def test_security_contexts(helm: Helm, path: str, name: str) -> None:
    plain = helm.render(*ALL)
    assert pod(plain, name)["securityContext"]["runAsUser"] == 65532
    hardened = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(plain, name)["securityContext"] == hardened
    objects = helm.render(
        *ALL,
        f'{path}podSecurityContext={{"runAsNonRoot": true, "runAsUser": 1000}}',
        f'{path}containerSecurityContext={{"privileged": false}}',
    )
    found = pod(objects, name)["securityContext"]
    assert (found["runAsNonRoot"], found["runAsUser"]) == (True, 1000)
    assert container(objects, name)["securityContext"]["privileged"] is False


@each_program
def test_account_has_annotations_and_may_have_no_token(helm: Helm, path: str, name: str) -> None:
    plain = helm.render(*ALL)
    assert "automountServiceAccountToken" not in one(plain, "ServiceAccount", name)
    assert pod(plain, name)["automountServiceAccountToken"] is True
    objects = helm.render(
        *ALL,
        f'{path}serviceAccount.annotations={{"role": 5}}',
        f"{path}serviceAccount.automountServiceAccountToken=false",
    )
    account = one(objects, "ServiceAccount", name)
    assert account["metadata"]["annotations"] == {"role": "5"}
    assert account["automountServiceAccountToken"] is False
    assert pod(objects, name)["automountServiceAccountToken"] is False


@each_program
@pytest.mark.parametrize("create", [True, False])
def test_another_account_gets_all_rights(helm: Helm, path: str, name: str, create: bool) -> None:
    def subjects(objects: list[Object], account: str) -> set[tuple[str, str]]:
        return {
            (it["kind"], it["metadata"]["name"])
            for it in objects
            for subject in it.get("subjects", ())
            if subject["name"] == account
        }

    plain = helm.render(*ALL)
    objects = helm.render(
        *ALL,
        f'{path}serviceAccount.name="mine"',
        f"{path}serviceAccount.create={str(create).lower()}",
    )
    assert subjects(objects, "mine") == subjects(plain, name)
    assert subjects(objects, name) == set()
    assert pod(objects, name)["serviceAccountName"] == "mine"
    accounts = {it["metadata"]["name"] for it in objects if it["kind"] == "ServiceAccount"}
    others = set(PROGRAMS.values()) - {name}
    assert accounts == others | ({"mine"} if create else set())


def test_policies_know_the_controllers_account_by_its_name(helm: Helm) -> None:
    objects = helm.render("hub.enabled=true", 'serviceAccount.name="mine"')
    user = "system:serviceaccount:hotpeers-system:mine"
    policies = {
        it["metadata"]["name"]: str(it["spec"])
        for it in objects
        if it["kind"] == "ValidatingAdmissionPolicy"
    }
    for ending in ("bindings", "holds", "tokens", "webhooks"):
        assert user in policies[f"hotpeers-{ending}"]
    account = {
        it["name"]: it.get("value") for it in container(objects, "hotpeers-controller")["env"]
    }
    assert account["HOTPEERS_ACCOUNT"] == user
    assert "hotpeers-system:hotpeers-controller" not in str(objects)


def test_network_of_the_node(helm: Helm) -> None:
    objects = helm.render("hostNetwork=true", 'ports={"webhook": 19443, "health": 18080}')
    made = pod(objects, "hotpeers-controller")
    assert made["hostNetwork"] is True
    # With the node's own resolver, the names of Services would be unknown.
    assert made["dnsPolicy"] == "ClusterFirstWithHostNet"
    inner = container(objects, "hotpeers-controller")
    variables = {it["name"]: it.get("value") for it in inner["env"]}
    assert variables["HOTPEERS_LISTEN"] == ":19443"
    assert variables["HOTPEERS_HEALTH_LISTEN"] == ":18080"
    assert {it["name"]: it["containerPort"] for it in inner["ports"]} == {
        "webhook": 19443,
        "health": 18080,
    }
    # An additional pod could not have the ports of a node that has one.
    strategy = deployment(objects, "hotpeers-controller")["strategy"]["rollingUpdate"]
    assert strategy == {"maxUnavailable": 1, "maxSurge": 0}
    # The Services keep their ports, so the API server calls the same address.
    assert one(objects, "Service", "-controller")["spec"]["ports"][0]["port"] == 443
    plain = pod(helm.render(), "hotpeers-controller")
    assert not {"hostNetwork", "dnsPolicy"} & set(plain)
    own = pod(helm.render('dnsPolicy="Default"'), "hotpeers-controller")
    assert own["dnsPolicy"] == "Default"


def test_topology_of_the_hub(helm: Helm) -> None:
    spread = '[{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]'
    objects = helm.render(*ALL, f"hub.topologySpreadConstraints={spread}")
    (only,) = pod(objects, "hotpeers-hub")["topologySpreadConstraints"]
    assert only["topologyKey"] == "zone"


def test_icon_is_the_file() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    kind, _, text = chart["icon"].partition(";base64,")
    assert kind == "data:image/svg+xml"
    assert base64.b64decode(text) == (CHART / "icon.svg").read_bytes().strip()


def test_artifact_hub_knows_the_custom_resources() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    listed = {
        (it["name"], it["kind"], it["version"])
        for it in yaml.safe_load(chart["annotations"]["artifacthub.io/crds"])
    }
    definitions = [yaml.safe_load(path.read_text()) for path in (K8S / "crds").glob("*.yaml")]
    assert listed == {
        (it["metadata"]["name"], it["spec"]["names"]["kind"], version["name"])
        for it in definitions
        for version in it["spec"]["versions"]
    }
    examples = yaml.safe_load(chart["annotations"]["artifacthub.io/crdsExamples"])
    assert {it["kind"] for it in examples} == {kind for _, kind, _ in listed}
    for it in yaml.safe_load(chart["annotations"]["artifacthub.io/changes"]):
        assert it["kind"] in {"added", "changed", "deprecated", "removed", "fixed", "security"}
