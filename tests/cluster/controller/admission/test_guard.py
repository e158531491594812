"""The guard at a real API server: a subject with every right of RBAC may spawn, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.apiserver.client import Api, ApiError, Object, read_yaml
from kit.apiserver.resources import (
    AGENTS,
    ORCHESTRATORS,
    PEERS,
    account_manifest,
    install_crd,
    remove_crd,
)
from kit.apiserver.server import Cluster
from kit.controller.guard_scene import (
    KINDS,
    asked,
    log_lines,
    orchestrator,
    spawn_policy,
    subject,
    take,
    until_asked,
    until_governed,
)
from kit.rival import rival
from kit.spawning import declarative, edited
from kit.waiting import until
from kit.webhook import Controller

POLICIES = Path(__file__).parents[4] / "k8s" / "crds" / "spawnpolicies.hotpeers.dev.yaml"
APPLY = "application/apply-patch+yaml"


@pytest.fixture(scope="module")
def running(
    shared_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Controller]:
    """One controller for all tests here, and the configurations that lead to it."""
    for definition in (PEERS, AGENTS, POLICIES):
        install_crd(shared_cluster.api, definition)
    running = Controller(tmp_path_factory.mktemp("guard"), shared_cluster, "--namespace=default")
    running.start()
    with asked(shared_cluster, running):
        yield running
    running.stop()


@pytest.fixture
def controller(running: Controller, cluster: Cluster) -> Controller:
    running.start()
    return running


Login = Callable[[str], Api]


@pytest.fixture
def login(cluster: Cluster, namespace: str) -> Iterator[Login]:
    """The API as an account of the namespace that RBAC allows everything."""
    opened: list[Api] = []

    def login(name: str) -> Api:
        opened.append(Api(subject(cluster, namespace, name).access))
        return opened[-1]

    yield login
    for api in opened:
        api.close()


@pytest.fixture
def lead(cluster: Cluster, namespace: str, controller: Controller, login: Login) -> Api:
    """The API as an orchestrator that the shared policy governs, cluster-admin by RBAC."""
    api = login("lead")
    take(cluster.api, namespace)
    cluster.api.create(orchestrator(namespace))
    cluster.api.create(spawn_policy(namespace))
    until_asked(api, namespace)
    return api


def refused(api: Api, method: str, path: str, body: Any = None, **more: Any) -> str:
    """Why the guard refused it."""
    with pytest.raises(ApiError) as caught:
        api.request(method, path, body, **more)
    assert "guard.hotpeers.dev" in caught.value.message, caught.value
    assert caught.value.status == 403, caught.value
    return caught.value.message


def agents(namespace: str, name: str = "") -> str:
    path = f"/apis/kagent.dev/v1alpha2/namespaces/{namespace}/agents"
    return f"{path}/{name}" if name else path


def test_spawned_agent_is_stamped(lead: Api, cluster: Cluster, namespace: str) -> None:
    made = lead.create(declarative("worker-a", namespace))
    live = cluster.api.read(made)
    owner = cluster.api.read(orchestrator(namespace))["metadata"]["uid"]
    metadata = live["metadata"]
    assert metadata["labels"] == {"hotpeers.dev/peer": "true", "hotpeers.dev/spawned": "true"}
    annotations = metadata["annotations"]
    assert annotations["hotpeers.dev/spawned-by"] == f"{namespace}/lead"
    assert annotations["hotpeers.dev/spawned-by-serviceaccount"] == f"{namespace}/lead"
    assert annotations["hotpeers.dev/spawned-by-uid"] == owner
    assert annotations["hotpeers.dev/depth"] == "1"
    assert annotations["hotpeers.dev/policy"] == f"{namespace}/workers"
    assert annotations["hotpeers.dev/expires-at"] > metadata["creationTimestamp"]
    (reference,) = metadata["ownerReferences"]
    assert (reference["kind"], reference["name"], reference["uid"]) == ("Agent", "lead", owner)
    # Defaults missing from the manifest are written out.
    security = live["spec"]["declarative"]["deployment"]["securityContext"]
    assert security["allowPrivilegeEscalation"] is False


def test_denial_lists_the_allowed_values(lead: Api, namespace: str) -> None:
    manifest = edited(declarative("worker-a", namespace), ("spec.declarative.modelConfig", "huge"))
    why = refused(lead, "POST", agents(namespace), manifest)
    assert 'spec.declarative.modelConfig: "huge" is not allowed (ModelNotAllowed)' in why
    assert "allowed: small, large" in why


CONFIG: Object = {"apiVersion": "v1", "kind": "ConfigMap"}
POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "victim"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
OTHERS: dict[str, tuple[str, str, Object]] = {
    "a pod": ("POST", "/api/v1/namespaces/{}/pods", POD),
    "a secret": ("POST", "/api/v1/namespaces/{}/secrets", {"kind": "Secret"}),
    "a config map": ("POST", "/api/v1/namespaces/{}/configmaps", {"kind": "ConfigMap"}),
    "an account": ("POST", "/api/v1/namespaces/{}/serviceaccounts", {"kind": "ServiceAccount"}),
    "a token": (
        "POST",
        "/api/v1/namespaces/{}/serviceaccounts/lead/token",
        {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}},
    ),
    "a namespace": ("POST", "/api/v1/namespaces", {"kind": "Namespace"}),
    "a binding": (
        "POST",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "cluster-admin",
            },
        },
    ),
    "a policy": (
        "POST",
        "/apis/hotpeers.dev/v1alpha1/namespaces/{}/spawnpolicies",
        {"apiVersion": "hotpeers.dev/v1alpha1", "kind": "SpawnPolicy", "spec": {}},
    ),
    "a peer": (
        "POST",
        "/apis/hotpeers.dev/v1alpha1/namespaces/{}/peers",
        {
            "apiVersion": "hotpeers.dev/v1alpha1",
            "kind": "Peer",
            "spec": {"url": "http://elsewhere:8080"},
        },
    ),
    "a definition": (
        "DELETE",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/spawnpolicies.hotpeers.dev",
        {},
    ),
    "its policy": (
        "DELETE",
        "/apis/hotpeers.dev/v1alpha1/namespaces/{}/spawnpolicies/workers",
        {},
    ),
    "all agents": ("DELETE", "/apis/kagent.dev/v1alpha2/namespaces/{}/agents", {}),
    "itself": ("DELETE", "/apis/kagent.dev/v1alpha2/namespaces/{}/agents/lead", {}),
    "a review of another's rights": (
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
        },
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_nothing_else_may_be_written(what: str, lead: Api, namespace: str) -> None:
    method, path, body = OTHERS[what]
    manifest = {"apiVersion": "v1", "metadata": {"name": "evil"}, **body} if body else None
    refused(lead, method, path.format(namespace), manifest)


@pytest.mark.parametrize("what", ["exec", "attach", "portforward", "proxy"])
def test_nothing_may_be_connected_to(
    what: str, lead: Api, cluster: Cluster, namespace: str
) -> None:
    pod = edited(POD, ("metadata.namespace", namespace))
    cluster.api.create(pod)
    path = f"/api/v1/namespaces/{namespace}/pods/victim/{what}?command=sh&stdin=true&ports=80"
    assert "CONNECT" not in refused(lead, "POST", path)
    cluster.api.delete(pod, gracePeriodSeconds=0)


def test_no_subresource_may_be_written(lead: Api, namespace: str) -> None:
    lead.create(declarative("worker-a", namespace))
    merge = {"content_type": "application/merge-patch+json"}
    path = f"{agents(namespace, 'worker-a')}/status"
    why = refused(lead, "PATCH", path, {"status": {"observedGeneration": 9}}, **merge)
    assert "ResourceNotAllowed" in why
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts/lead"
    refused(lead, "PATCH", accounts, {"metadata": {"labels": {"a": "b"}}}, **merge)


def test_older_version_is_refused(lead: Api, cluster: Cluster, namespace: str) -> None:
    (definition,) = read_yaml(AGENTS)
    (newest,) = definition["spec"]["versions"]
    older = {**newest, "name": "v1alpha1", "storage": False}
    cluster.api.apply(edited(definition, ("spec.versions", [newest, older])))
    path = f"/apis/kagent.dev/v1alpha1/namespaces/{namespace}/agents"
    manifest = {**declarative("worker-a", namespace), "apiVersion": "kagent.dev/v1alpha1"}
    try:
        until("the definition to be served", lambda: not cluster.api.refusal("GET", path), 60)
        assert "v1alpha1" in refused(lead, "POST", path, manifest)
    finally:
        cluster.api.apply(definition)


def test_other_namespace_is_refused(lead: Api) -> None:
    why = refused(lead, "POST", agents("default"), declarative("worker-a", "default"))
    assert "TargetNotAllowed" in why


def test_generated_name_is_judged(lead: Api, namespace: str) -> None:
    manifest = declarative("x", namespace)
    manifest["metadata"] = {"generateName": "intruder-", "namespace": namespace}
    assert "NameNotAllowed" in refused(lead, "POST", agents(namespace), manifest)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ('metadata.annotations["hotpeers.dev/depth"]', "0"),
        ('metadata.annotations["hotpeers.dev/expires-at"]', "2100-01-01T00:00:00Z"),
        ('metadata.annotations["hotpeers.dev/spawned-by"]', "kube-system/root"),
        ('metadata.labels["hotpeers.dev/spawned"]', "true"),
        ("metadata.ownerReferences", []),
        ("metadata.finalizers", ["example.com/stay"]),
    ],
)
def test_forged_stamp_is_refused(path: str, value: Any, lead: Api, namespace: str) -> None:
    manifest = edited(declarative("worker-a", namespace), (path, value))
    if path == "metadata.ownerReferences":
        other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "y"}
        manifest["metadata"]["ownerReferences"] = [other]
    refused(lead, "POST", agents(namespace), manifest)


def test_update_is_judged_and_stamps_are_kept(lead: Api, namespace: str) -> None:
    made = lead.create(declarative("worker-a", namespace))
    change = {"spec": {"description": "Works"}}
    patched = lead.patch(made, change)
    assert patched["metadata"]["annotations"] == made["metadata"]["annotations"]
    merge = {"content_type": "application/merge-patch+json"}
    path = agents(namespace, "worker-a")
    refused(lead, "PATCH", path, {"spec": {"declarative": {"modelConfig": "huge"}}}, **merge)
    refused(lead, "PATCH", path, {"metadata": {"finalizers": ["example.com/stay"]}}, **merge)
    annotation = {"hotpeers.dev/expires-at": "2100-01-01T00:00:00Z"}
    refused(lead, "PATCH", path, {"metadata": {"annotations": annotation}}, **merge)
    # A removed stamp is restored.
    gone = {"metadata": {"annotations": {"hotpeers.dev/expires-at": None}, "labels": None}}
    after = lead.patch(made, gone)["metadata"]
    assert after["annotations"] == made["metadata"]["annotations"]
    assert after["labels"] == made["metadata"]["labels"]
    replaced = {**patched, "spec": {**patched["spec"], "description": "Works on"}}
    after = lead.request("PUT", path, replaced)["metadata"]
    assert after["annotations"] == made["metadata"]["annotations"]


def test_applied_twice_stamps_stay(lead: Api, namespace: str) -> None:
    manifest = declarative("worker-a", namespace)
    path = f"{agents(namespace, 'worker-a')}?fieldManager=test"
    first = lead.request("PATCH", path, manifest, content_type=APPLY)
    second = lead.request("PATCH", path, manifest, content_type=APPLY)
    edited_once = edited(manifest, ("spec.description", "Works"))
    third = lead.request("PATCH", path, edited_once, content_type=APPLY)
    for later in (second, third):
        for key in ("annotations", "labels", "ownerReferences", "uid"):
            assert later["metadata"][key] == first["metadata"][key]
    assert third["spec"]["description"] == "Works"


@pytest.fixture
def orchestrators(cluster: Cluster) -> Iterator[None]:
    install_crd(cluster.api, ORCHESTRATORS)
    yield
    remove_crd(cluster.api, ORCHESTRATORS)


@pytest.mark.usefixtures("orchestrators")
def test_status_of_its_own_orchestrator_is_all_it_may_write_of_them(
    lead: Api, cluster: Cluster, namespace: str
) -> None:
    workload = {"apiVersion": "apps/v1", "kind": "Deployment"}
    version = "hotpeers.dev/v1alpha1"
    for name, spec in (
        ("lead", {"workload": {**workload, "name": "lead"}}),
        ("other", {"workload": {**workload, "name": "other"}}),
        ("of-hub", {}),
    ):
        metadata = {"namespace": namespace, "name": name}
        cluster.api.create(
            {"apiVersion": version, "kind": "Orchestrator", "metadata": metadata, "spec": spec}
        )
    base = f"/apis/{version}/namespaces/{namespace}/orchestrators"
    merge = {"content_type": "application/merge-patch+json"}
    told = lead.request("PATCH", f"{base}/lead/status", {"status": {"peers": 3}}, **merge)
    assert told["status"]["peers"] == 3
    for name in ("other", "of-hub"):
        refused(lead, "PATCH", f"{base}/{name}/status", {"status": {"peers": 3}}, **merge)
    refused(lead, "PATCH", f"{base}/lead", {"metadata": {"labels": {"a": "b"}}}, **merge)
    refused(lead, "DELETE", f"{base}/lead")


def test_dry_run_is_judged_and_takes_nothing(
    lead: Api, cluster: Cluster, controller: Controller, namespace: str
) -> None:
    bad = edited(declarative("worker-a", namespace), ("spec.declarative.runtime", "go"))
    refused(lead, "POST", f"{agents(namespace)}?dryRun=All", bad)
    for number in range(12):  # more than may be alive, or created
        manifest = declarative(f"worker-{number}", namespace)
        tried = lead.request("POST", f"{agents(namespace)}?dryRun=All", manifest)
        assert tried["metadata"]["annotations"]["hotpeers.dev/depth"] == "1"
    assert lead.create(declarative("worker-a", namespace))
    assert len(cluster.api.list("kagent.dev/v1alpha2", "Agent", namespace)["items"]) == 2


def test_no_more_are_alive_than_allowed(lead: Api, cluster: Cluster, namespace: str) -> None:
    for number in range(5):
        lead.create(declarative(f"worker-{number}", namespace))
    manifest = declarative("worker-more", namespace)
    assert "TooManyAgents" in refused(lead, "POST", agents(namespace), manifest)
    assert "TooManyAgents" in refused(lead, "POST", f"{agents(namespace)}?dryRun=All", manifest)
    lead.delete(declarative("worker-3", namespace))

    def admitted() -> Object | None:
        try:
            return lead.create(manifest)
        except ApiError:
            return None

    assert until("the slot to be free", admitted, 60)


def test_own_agents_are_deleted_and_no_others(lead: Api, cluster: Cluster, namespace: str) -> None:
    cluster.api.create(declarative("worker-human", namespace))
    made = lead.create(declarative("worker-a", namespace))
    assert "NotSpawned" in refused(lead, "DELETE", agents(namespace, "worker-human"))
    query = f"{agents(namespace)}?labelSelector=hotpeers.dev/spawned=true"
    refused(lead, "DELETE", query)
    lead.delete(made)
    found = cluster.api.list("kagent.dev/v1alpha2", "Agent", namespace)["items"]
    assert {one["metadata"]["name"] for one in found} == {"lead", "worker-human"}


@pytest.mark.parametrize("kind", ["ServiceAccount", "Service", "Secret", "Deployment"])
def test_nothing_is_overwritten(kind: str, lead: Api, cluster: Cluster, namespace: str) -> None:
    labels = {"app": "x"}
    bodies: dict[str, Object] = {
        "Service": {"spec": {"ports": [{"port": 80}]}},
        "Deployment": {
            "apiVersion": "apps/v1",
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "c", "image": "i"}]},
                },
            },
        },
    }
    metadata = {"name": "worker-a", "namespace": namespace}
    there = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **bodies.get(kind, {})}
    cluster.api.create(there)
    why = refused(lead, "POST", agents(namespace), declarative("worker-a", namespace))
    assert "NameOccupied" in why
    assert kind in why
    cluster.api.delete(there)
    lead.create(declarative("worker-a", namespace))

    def again() -> bool:
        with pytest.raises(ApiError) as caught:
            lead.request("POST", agents(namespace), declarative("worker-a", namespace))
        # Until the guard's watch has the agent, the API server itself refuses the name.
        if caught.value.message.endswith("already exists"):
            return False
        return "overwrite an object of this name: Agent" in caught.value.message

    assert until("the guard to know the agent", again, 10.0)


def test_child_spawns_no_deeper_than_allowed(
    lead: Api, cluster: Cluster, login: Login, namespace: str
) -> None:
    lead.create(declarative("worker-a", namespace))
    child = login("worker-a")
    # From the moment that its agent is admitted, as far as the API server knows of it yet.
    until_governed(child, namespace)
    assert "ResourceNotAllowed" in refused(
        child, "POST", f"/api/v1/namespaces/{namespace}/pods", POD
    )
    made = child.create(declarative("worker-b", namespace))
    assert made["metadata"]["annotations"]["hotpeers.dev/depth"] == "2"
    grandchild = login("worker-b")
    until_governed(grandchild, namespace)
    manifest = declarative("worker-c", namespace)
    assert "TooDeep" in refused(grandchild, "POST", agents(namespace), manifest)
    # The account outlives its agent, and stays governed.
    owner = {"apiVersion": "kagent.dev/v1alpha2", "kind": "Agent", "name": "worker-b"}
    owners = [{**owner, "uid": made["metadata"]["uid"]}]
    account = account_manifest(namespace, "worker-b")
    cluster.api.patch(account, {"metadata": {"ownerReferences": owners}})
    cluster.api.delete(made)
    until(
        "the agent to be forgotten",
        lambda: "is gone" in refused(grandchild, "POST", agents(namespace), manifest),
        60,
    )


def test_other_accounts_are_not_sent_to_the_guard(
    lead: Api, cluster: Cluster, login: Login, controller: Controller, namespace: str
) -> None:
    before = controller.metric("hotpeers_guard_requests_total")
    metadata = {"name": "a", "namespace": namespace}
    cluster.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    cluster.api.create(declarative("worker-x", namespace))
    login("somebody").create(declarative("worker-y", namespace))
    assert controller.metric("hotpeers_guard_requests_total") == before


def test_controller_that_is_down_stops_its_subjects_and_nobody_else(
    lead: Api, cluster: Cluster, login: Login, controller: Controller, namespace: str
) -> None:
    controller.stop()
    with pytest.raises(ApiError) as caught:
        lead.create(declarative("worker-a", namespace))
    assert "failed calling webhook" in caught.value.message
    with pytest.raises(ApiError):
        lead.delete(orchestrator(namespace))
    cluster.api.create(declarative("worker-x", namespace))
    login("somebody").create(declarative("worker-y", namespace))
    assert lead.read(orchestrator(namespace))
    controller.start()
    lead.create(declarative("worker-a", namespace))


def test_denials_are_told(
    lead: Api, cluster: Cluster, controller: Controller, namespace: str
) -> None:
    secret = "the-prompt-of-a-customer"
    manifest = edited(
        declarative("worker-a", namespace),
        ("spec.declarative.systemMessage", f"{secret}\u200b"),
        ("spec.declarative.deployment.env", [{"name": "TOKEN", "value": secret}]),
    )

    def allowed_in_all() -> float:
        return controller.metric("hotpeers_guard_requests_total", decision="allowed")

    before = allowed_in_all()
    for _ in range(3):
        refused(lead, "POST", agents(namespace), manifest)
    lead.create(declarative("worker-a", namespace))

    def events() -> list[Object]:
        found = cluster.api.list("v1", "Event", namespace)["items"]
        return [
            one
            for one in found
            if one["reason"] == "SpawnDenied" and f"{namespace}/worker-a:" in one["message"]
        ]

    def counted() -> Object | None:
        found = events()
        return found[0] if found and found[0]["count"] == 3 else None

    event = until("the Event to count three", counted, 60)
    assert len(events()) == 1
    policy = cluster.api.read(spawn_policy(namespace))
    assert event["involvedObject"]["uid"] == policy["metadata"]["uid"]
    assert f"{namespace}/lead may not CREATE agents.kagent.dev/v1alpha2" in event["message"]
    assert (
        controller.metric("hotpeers_guard_requests_total", operation="CREATE", decision="denied")
        >= 3
    )
    assert allowed_in_all() == before + 1
    lines = [
        one
        for one in log_lines(controller)
        if (one["namespace"], one["name"]) == (namespace, "worker-a")
    ]
    *denied, allowed = lines
    assert [one["allowed"] for one in lines] == [False] * 3 + [True]
    assert denied[0]["user"] == f"system:serviceaccount:{namespace}:lead"
    assert denied[0]["agent"] == f"{namespace}/lead"
    assert denied[0]["denials"][0]["reason"]
    assert (allowed["policy"], allowed["mode"]) == (f"{namespace}/workers", "Enforce")
    assert (allowed["phase"], allowed["operation"]) == ("Validating", "CREATE")
    assert secret not in controller.log.read_text()
    assert secret not in str(cluster.api.list("v1", "Event", namespace))


RIVALS: dict[str, tuple[str, Any]] = {
    "another account": ("/spec/declarative/deployment/serviceAccountName", "lead"),
    "another end": ("/metadata/annotations/hotpeers.dev~1expires-at", "2100-01-01T00:00:00Z"),
    "an unknown field": ("/metadata/finalizers", ["example.com/stay"]),
}


@pytest.mark.parametrize("what", RIVALS)
def test_what_another_webhook_changes_is_judged(
    what: str, lead: Api, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    path, value = RIVALS[what]
    manifest = declarative("worker-a", namespace)

    def patch(given: Any) -> list[Object]:
        # It is asked after the guard, whose stamps it sees.
        assert "hotpeers.dev/spawned" in given["metadata"]["labels"]
        return [{"op": "add", "path": path, "value": value}]

    of_agents = ("agents", "kagent.dev", "v1alpha2")
    with rival(tmp_path / "rival", "z-rival", patch, *of_agents) as configuration:
        cluster.api.create(configuration)
        try:
            dry_run = f"{agents(namespace)}?dryRun=All"
            assert "validate.guard.hotpeers.dev" in until(
                "the rival to be asked", lambda: lead.refusal("POST", dry_run, manifest), 60
            )
            assert "validate.guard" in refused(lead, "POST", agents(namespace), manifest)
        finally:
            cluster.api.delete(configuration)


def test_audit_admits_every_agent_with_a_warning(
    lead: Api, cluster: Cluster, controller: Controller, namespace: str
) -> None:
    policy = spawn_policy(namespace)
    cluster.api.patch(policy, {"spec": {"mode": "Audit"}})
    manifest = edited(declarative("worker-a", namespace), ("spec.declarative.runtime", "go"))

    def admitted() -> Object | None:
        try:
            return lead.create(manifest)
        except ApiError:
            return None

    made = until("Audit to be known", admitted, 60)
    assert "annotations" not in made["metadata"]
    audited = controller.metric(
        "hotpeers_guard_requests_total", decision="audited", reason="RuntimeNotAllowed"
    )
    assert audited == 1


def test_configurations_of_the_chart_match_no_request(
    cluster: Cluster, running: Controller, login: Login, namespace: str
) -> None:
    """No rules, no matchConditions: accepted by the API server, and never called by it."""
    running.stop()
    api = login("lead")
    for kind in KINDS:
        whole = running.configuration("hotpeers-guard", kind)
        assert not any("rules" in webhook for webhook in whole["webhooks"])
        whole["metadata"]["name"] = "hotpeers-guard-of-nobody"
        made = cluster.api.create(whole)
        assert not any("rules" in webhook for webhook in made["webhooks"])
        api.create({**CONFIG, "metadata": {"name": f"of-{kind.lower()}", "namespace": namespace}})
        cluster.api.delete(whole)
