"""The templates, rendered with different values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.chart.helm import Helm, HelmError, Object
from kit.chart.variants import CERT_MANAGER, DIGEST, OBSERVED, VARIANTS, Variant

CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
}
MUTATING = "MutatingWebhookConfiguration"
GUARD = (MUTATING, "ValidatingWebhookConfiguration")


def one(objects: list[Object], kind: str, ending: str = "") -> Object:
    (found,) = (
        it for it in objects if it["kind"] == kind and it["metadata"]["name"].endswith(ending)
    )
    return found


def container(objects: list[Object]) -> Object:
    (only,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(only)


def environment(objects: list[Object]) -> dict[str, Any]:
    return {it["name"]: it.get("value", it.get("valueFrom")) for it in container(objects)["env"]}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_every_object_has_a_place_and_its_labels(helm: Helm, variant: Variant) -> None:
    objects = helm.render(*variant.sets, release=variant.release, namespace=variant.namespace)
    names = [(it["kind"], it["metadata"]["name"]) for it in objects]
    assert len(set(names)) == len(names)
    for it in objects:
        place = None if it["kind"] in CLUSTER_WIDE else variant.namespace
        assert it["metadata"].get("namespace") == place
        labels = it["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == variant.release
        # Helm sets this label itself. Objects of the controller have another value.
        assert "app.kubernetes.io/managed-by" not in labels
        assert all(len(value) <= 63 for value in labels.values())
        assert len(it["metadata"]["name"]) <= 63


def test_names_are_those_that_the_controller_expects(helm: Helm) -> None:
    objects = helm.render()
    assert one(objects, "Deployment")["metadata"]["name"] == "hotpeers-controller"
    assert one(objects, MUTATING, "-injector")["metadata"]["name"] == "hotpeers-injector"
    found = environment(objects)
    assert found["HOTPEERS_SERVICE"] == found["HOTPEERS_LEASE"] == "hotpeers-controller"
    assert found["HOTPEERS_CERTIFICATE_SECRET"] == "hotpeers-certificates"
    assert found["HOTPEERS_WEBHOOK_CONFIGURATION"] == "hotpeers-injector"
    for kind in GUARD:
        assert one(objects, kind, "-guard")["metadata"]["name"] == "hotpeers-guard"
    assert found["HOTPEERS_GUARD_CONFIGURATION"] == "hotpeers-guard"


def test_webhooks_ask_for_little_and_fail_open(helm: Helm) -> None:
    extra = 'webhook.namespaceSelector={"matchLabels": {"team": "a"}}'
    paths = {}
    for webhook in one(helm.render(extra), MUTATING, "-injector")["webhooks"]:
        assert webhook["failurePolicy"] == "Ignore"
        assert webhook["timeoutSeconds"] == 2
        # It writes Events for owners, but not in a dry run.
        assert webhook["sideEffects"] == "NoneOnDryRun"
        assert "caBundle" not in webhook["clientConfig"]
        assert webhook["namespaceSelector"]["matchLabels"] == {"team": "a"}
        names, label = webhook["namespaceSelector"]["matchExpressions"]
        assert names["values"] == [
            "kube-system",
            "kube-public",
            "kube-node-lease",
            "hotpeers-system",
        ]
        assert label["key"] == "hotpeers.dev/injection"
        paths[label["operator"], *label["values"]] = webhook["clientConfig"]["service"]["path"]
    # At most one of both webhooks matches a namespace. Where injection is disabled, neither does.
    ways = {("NotIn", "enabled", "disabled"): "/inject", ("In", "enabled"): "/inject/namespace"}
    assert paths == ways


@pytest.mark.parametrize("kind", GUARD)
def test_guard_fails_closed_and_starts_without_rules(helm: Helm, kind: str) -> None:
    (webhook,) = one(helm.render(), kind, "-guard")["webhooks"]
    assert webhook["failurePolicy"] == "Fail"
    assert webhook["sideEffects"] == "NoneOnDryRun"
    assert webhook["matchPolicy"] == "Equivalent"
    assert webhook.get("reinvocationPolicy", "Never") == "Never"
    # The controller writes the rules and conditions.
    assert not {"rules", "matchConditions", "namespaceSelector"} & set(webhook)
    assert "caBundle" not in webhook["clientConfig"]
    (by_manager,) = one(helm.render(CERT_MANAGER), kind, "-guard")["webhooks"]
    assert by_manager["clientConfig"] == webhook["clientConfig"]


def test_guard_is_omitted_when_disabled(helm: Helm) -> None:
    objects = helm.render("guard.enabled=false")
    assert not [it for it in objects if it["metadata"]["name"].endswith("-guard")]
    assert environment(objects)["HOTPEERS_GUARD_CONFIGURATION"] == "none"


def test_secrets_are_readable_only_with_check_secrets(helm: Helm) -> None:
    def rules(*sets: str) -> list[Object]:
        role = one(helm.render(*sets), "ClusterRole", "-guard")
        return [it for it in role["rules"] if "secrets" in it["resources"]]

    assert rules() == []
    assert [it["verbs"] for it in rules("guard.checkSecrets=true")] == [["get"]]


def test_registry_of_templates(helm: Helm) -> None:
    objects = helm.render(
        'registry.url="http://agentregistry:12121"',
        'registry.tokenSecret={"name": "registry", "key": "token"}',
    )
    found = environment(objects)
    assert found["HOTPEERS_REGISTRY_URL"] == "http://agentregistry:12121"
    mounts = {it["name"]: it["mountPath"] for it in container(objects)["volumeMounts"]}
    assert found["HOTPEERS_REGISTRY_TOKEN_FILE"] == f"{mounts['registry-token']}/token"
    volumes = one(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "registry-token", "secret": {"secretName": "registry"}} in volumes
    assert "HOTPEERS_ORCHESTRATOR_TOKEN_SECRET" not in found


def test_token_of_orchestrators(helm: Helm) -> None:
    secret = '{"name": "reader", "key": "token"}'
    found = environment(helm.render(f"registry.orchestratorTokenSecret={secret}"))
    assert found["HOTPEERS_ORCHESTRATOR_TOKEN_SECRET"] == "reader/token"


TOOLS = (
    'registry.url="http://agentregistry:12121"',
    "mcp.enabled=true",
    'mcp.tokenSecret={"name": "tools", "key": "authorization"}',
    'mcp.orchestrator="team/lead"',
)


def test_tools_for_spawning_are_reached_with_the_token_that_they_ask_for(helm: Helm) -> None:
    objects = [it for it in helm.render(*TOOLS) if it["metadata"]["name"] == "hotpeers-mcp"]
    kinds = {it["kind"]: it for it in objects}
    assert set(kinds) == {"ServiceAccount", "Deployment", "Service", "RemoteMCPServer"}
    pod = kinds["Deployment"]["spec"]["template"]
    (made,) = pod["spec"]["containers"]
    told = {it["name"]: it.get("value") for it in made["env"]}
    assert (told["HOTPEERS_REGISTRY_URL"], told["HOTPEERS_ORCHESTRATOR"]) == (
        "http://agentregistry:12121",
        "team/lead",
    )
    assert told["HOTPEERS_TOKEN_FILE"] == "/etc/hotpeers/token/authorization"
    server = kinds["RemoteMCPServer"]["spec"]
    (port,) = kinds["Service"]["spec"]["ports"]
    assert server["url"] == f"http://hotpeers-mcp.hotpeers-system:{port['port']}/mcp"
    (header,) = server["headersFrom"]
    assert header["valueFrom"] == {"type": "Secret", "name": "tools", "key": "authorization"}
    # The controller's Services and disruption budget do not select it.
    for it in (*helm.render(*TOOLS),):
        selector = it["spec"].get("selector") if it["kind"] in ("Service", "Deployment") else None
        labels = selector.get("matchLabels", selector) if selector else {}
        if it["metadata"]["name"] != "hotpeers-mcp" and labels:
            assert not labels.items() <= pod["metadata"]["labels"].items()


HUB = ("hub.enabled=true",)


def test_without_the_hub_the_controller_may_write_no_secret(helm: Helm) -> None:
    objects = helm.render()
    assert not [it for it in objects if "hub" in it["metadata"]["name"]]
    for it in objects:
        for rule in it.get("rules", ()) if it["kind"] == "ClusterRole" else ():
            assert "secrets" not in rule["resources"], it["metadata"]["name"]


def test_hub_is_served_where_the_controller_says_and_has_no_secret_but_its_key(helm: Helm) -> None:
    gateway = 'kagent.gateway="https://kagent.example/a"'
    objects = helm.render(*HUB, gateway, 'hub.credentialsSecret={"name": "peers", "key": "all"}')
    named = {(it["kind"], it["metadata"]["name"]): it for it in objects}
    pod = named["Deployment", "hotpeers-hub"]["spec"]["template"]
    (made,) = pod["spec"]["containers"]
    told = {it["name"]: it.get("value") for it in made["env"]}
    assert told["HOTPEERS_KEY_SECRET"] == "hotpeers-system/hotpeers-hub-key"
    assert ("Secret", "hotpeers-hub-key") in named
    (port,) = named["Service", "hotpeers-hub"]["spec"]["ports"]
    url = f"http://hotpeers-hub.hotpeers-system:{port['port']}/mcp"
    others = [it for it in objects if it["metadata"]["name"] != "hotpeers-hub"]
    assert environment(others)["HOTPEERS_HUB_URL"] == url
    for one in (told, environment(others)):
        assert one["HOTPEERS_KAGENT_GATEWAY"] == "https://kagent.example/a"
    assert environment(others)["HOTPEERS_HUB_KEY_SECRET"] == "hotpeers-hub-key"
    account = {"kind": "ServiceAccount", "name": "hotpeers-hub", "namespace": "hotpeers-system"}
    rules = []
    for it in objects:
        if account in it.get("subjects", ()):
            role = named[it["roleRef"]["kind"], it["roleRef"]["name"]]
            rules += role["rules"]
    for rule in rules:
        assert set(rule["verbs"]) <= {"list", "watch", "get", "patch", "create"}
        if "create" in rule["verbs"]:
            assert (rule["resources"], rule["verbs"]) == (["events"], ["create"])
        if "secrets" in rule["resources"]:
            assert rule["resourceNames"] == ["hotpeers-hub-key"]
        if "patch" in rule["verbs"]:
            assert rule["resources"] == ["orchestrators/status"]
    for it in objects:
        selector = it["spec"].get("selector") if it["kind"] in ("Service", "Deployment") else None
        labels = selector.get("matchLabels", selector) if selector else {}
        if it["metadata"]["name"] != "hotpeers-hub" and labels:
            assert not labels.items() <= pod["metadata"]["labels"].items()


def test_hub_of_a_release_with_another_name_uses_its_own_names(helm: Helm) -> None:
    objects = helm.render(*HUB, 'fullnameOverride="a"', namespace="b")
    text = json.dumps(objects)
    assert "hotpeers-hub" not in text
    assert "hotpeers-system" not in text
    named = {(it["kind"], it["metadata"]["name"]) for it in objects}
    assert {("Deployment", "a-hub"), ("Secret", "a-hub-key"), ("Role", "a-controller-hub")} <= named


def test_spawner_role_is_created_without_a_binding(helm: Helm) -> None:
    objects = helm.render(*TOOLS)
    bound = [it["roleRef"]["name"] for it in objects if "roleRef" in it]
    assert "hotpeers-spawner" in {it["metadata"]["name"] for it in objects}
    assert "hotpeers-spawner" not in bound


def test_own_namespace_is_always_excluded(helm: Helm) -> None:
    objects = helm.render('webhook.excludedNamespaces=["a"]', namespace="agents")
    for webhook in one(objects, MUTATING, "-injector")["webhooks"]:
        names, _ = webhook["namespaceSelector"]["matchExpressions"]
        assert names["values"] == ["a", "agents"]


def test_cert_manager_serves_the_names_that_are_called(helm: Helm) -> None:
    objects = helm.render(CERT_MANAGER, release="injector", namespace="agents")
    certificate = one(objects, "Certificate")
    service = one(objects, "Service", "-controller")["metadata"]["name"]
    spec = certificate["spec"]
    assert spec["dnsNames"] == [
        f"{service}.agents.svc",
        f"{service}.agents.svc.cluster.local",
    ]
    configuration = one(objects, MUTATING, "-injector")
    assert configuration["webhooks"][0]["clientConfig"]["service"]["name"] == service
    annotations = configuration["metadata"]["annotations"]
    name = certificate["metadata"]["name"]
    assert annotations["cert-manager.io/inject-ca-from"] == f"agents/{name}"
    assert spec["issuerRef"]["name"] == one(objects, "Issuer")["metadata"]["name"]
    volumes = one(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "certificates", "secret": {"secretName": spec["secretName"]}} in volumes
    found = environment(objects)
    mounts = {it["name"]: it["mountPath"] for it in container(objects)["volumeMounts"]}
    assert found["HOTPEERS_CERTIFICATE_DIR"] == mounts["certificates"]
    assert found["HOTPEERS_WEBHOOK_CONFIGURATION"] == "none"


def test_custom_issuer_replaces_the_issuer_of_the_chart(helm: Helm) -> None:
    objects = helm.render(*VARIANTS["an issuer of one's own"].sets)
    assert "Issuer" not in {it["kind"] for it in objects}
    wanted = {"name": "corporate", "kind": "ClusterIssuer"}
    assert one(objects, "Certificate")["spec"]["issuerRef"] == wanted


@pytest.mark.parametrize(
    ("sets", "controller", "sidecar"),
    [
        ((), "hotpeers:0.1.0", "hotpeers:0.1.0"),
        (('image={"repository": "r:5/h", "tag": "9"}',), "r:5/h:9", "r:5/h:9"),
        (
            (f'image={{"repository": "r/h", "digest": "{DIGEST}"}}',),
            f"r/h:0.1.0@{DIGEST}",
            f"r/h:0.1.0@{DIGEST}",
        ),
        (
            (
                f'image={{"repository": "r/h", "digest": "{DIGEST}"}}',
                'sidecar.image={"repository": "near/h"}',
            ),
            f"r/h:0.1.0@{DIGEST}",
            "near/h:0.1.0",
        ),
        (('image.tag="1"', 'sidecar.image={"tag": "2"}'), "hotpeers:1", "hotpeers:2"),
    ],
)
def test_images_are_named(helm: Helm, sets: tuple[str, ...], controller: str, sidecar: str) -> None:
    objects = helm.render(*sets)
    assert container(objects)["image"] == controller
    assert environment(objects)["HOTPEERS_IMAGE"] == sidecar


def test_resources_of_the_sidecar_are_handed_on(helm: Helm) -> None:
    objects = helm.render('sidecar.resources={"requests": {"cpu": 1}, "limits": null}')
    assert json.loads(environment(objects)["HOTPEERS_SIDECAR_RESOURCES"]) == {
        "requests": {"cpu": 1, "memory": "64Mi"}
    }


@pytest.mark.parametrize("keep", [True, False])
def test_crds_are_kept_unless_disabled(helm: Helm, keep: bool) -> None:
    objects = helm.render(f"crds.keep={str(keep).lower()}")
    for plural in ("peers", "spawnpolicies"):
        crd = one(objects, "CustomResourceDefinition", f"{plural}.hotpeers.dev")
        policy = crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
        assert policy == ("keep" if keep else None)


def test_optional_kinds_are_off_by_default(helm: Helm) -> None:
    groups = {it["apiVersion"].rpartition("/")[0] for it in helm.render()}
    assert {group for group in groups if "." in group and not group.endswith(".k8s.io")} == set()


def test_monitors_select_existing_objects(helm: Helm) -> None:
    objects = helm.render(*OBSERVED)
    monitor = one(objects, "ServiceMonitor")["spec"]
    selected = monitor["selector"]["matchLabels"].items()
    (service,) = (
        it
        for it in objects
        if it["kind"] == "Service" and selected <= it["metadata"]["labels"].items()
    )
    (port,) = service["spec"]["ports"]
    assert monitor["endpoints"][0]["port"] == port["name"]
    assert port["targetPort"] in {it["name"] for it in container(objects)["ports"]}
    pods = one(objects, "PodMonitor")["spec"]
    assert pods["selector"]["matchLabels"] == {"hotpeers.dev/injected": "true"}
    assert pods["podMetricsEndpoints"][0]["port"] == "hotpeers"


@pytest.mark.parametrize("part", ["hub", "console"])
def test_monitor_of_a_part_selects_its_pods(helm: Helm, part: str) -> None:
    objects = helm.render(*OBSERVED, f"{part}.enabled=true")
    pods = one(objects, "PodMonitor", f"hotpeers-{part}")["spec"]
    template = one(objects, "Deployment", f"hotpeers-{part}")["spec"]["template"]
    assert pods["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    ports = {it["name"] for it in template["spec"]["containers"][0]["ports"]}
    assert pods["podMetricsEndpoints"][0]["port"] in ports
    controller = one(objects, "Deployment", "hotpeers-controller")["spec"]["template"]
    assert not pods["selector"]["matchLabels"].items() <= controller["metadata"]["labels"].items()


ENDPOINT = "http://collector.monitoring:4318"


def test_calls_are_recorded_only_where_the_values_say_so(helm: Helm) -> None:
    names = {"HOTPEERS_AUDIT_CALLS", "HOTPEERS_TRACE_CALLS", "HOTPEERS_TRACES_ENDPOINT"}
    assert not names & environment(helm.render()).keys()
    sets = ("calls.audit=true", "calls.traces.enabled=true", "hub.enabled=true")
    objects = helm.render(*sets, f'calls.traces.endpoint="{ENDPOINT}"')
    controller = one(objects, "Deployment", "hotpeers-controller")
    entries = controller["spec"]["template"]["spec"]["containers"][0]["env"]
    found = {it["name"]: it.get("value") for it in entries}
    assert [found[name] for name in sorted(names)] == ["true", ENDPOINT, "true"]
    hub = one(objects, "Deployment", "hotpeers-hub")["spec"]["template"]["spec"]["containers"][0]
    given = {it["name"]: it.get("value") for it in hub["env"]}
    assert (given["HOTPEERS_AUDIT"], given["OTEL_EXPORTER_OTLP_ENDPOINT"]) == ("true", ENDPOINT)
    with pytest.raises(HelmError, match=r"calls\.traces\.endpoint is missing"):
        helm.render("calls.traces.enabled=true", "hub.enabled=true")
    with pytest.raises(HelmError, match="endpoint"):
        helm.render('calls.traces.endpoint="http://user:secret@collector"')
