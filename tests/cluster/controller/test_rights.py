"""k8s/rbac/controller.yaml: under it a controller may do what it needs, and nothing else."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from hotpeers.controller.admission.denials import Denials, Told
from hotpeers.controller.admission.live import Live
from hotpeers.controller.quota.ledgers import ledger_name
from hotpeers.controller.rbac.grants import PEERS, Account, Binding, manifest_of
from hotpeers.controller.replica import Duties, Replica, mutating, serving_names
from hotpeers.controller.webhook_config.matching import Patience
from hotpeers.kube.errors import ForbiddenError
from hotpeers.registry.fault import Fault
from hotpeers.registry.reasons import RegistryReason
from hotpeers.registry.servers import tool_servers
from hotpeers.spawnpolicy.decision import Denial
from hotpeers.spawnpolicy.reasons import PolicyReason
from kit.apiserver.accounts import ServiceAccount, make_account
from kit.apiserver.client import Api, ApiError, Object, read_yaml
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.rbac import FOLDER
from kit.apiserver.resources import account_manifest, agent, bare_pod, install_crd
from kit.apiserver.server import Cluster
from kit.controller.guarding import configurations, listed
from kit.controller.injected import injected
from kit.controller.leading import SPAWN_POLICIES, leader, spawn_policy, spawned
from kit.controller.scene import client_of, read, running
from kit.waiting import until_async

SYSTEM = "hotpeers-system"
RBAC = "rbac.authorization.k8s.io/v1"
SECRETS = f"/api/v1/namespaces/{SYSTEM}/secrets"


@pytest.fixture
def account(cluster: Cluster) -> Iterator[ServiceAccount]:
    """The account of the manifest, with exactly its rights."""
    create_namespace(cluster.api, SYSTEM)
    manifests = [*read_yaml(FOLDER / "roles.yaml"), *read_yaml(FOLDER / "controller.yaml")]
    for one in manifests:
        cluster.api.apply(one)
    yield make_account(cluster, SYSTEM, "hotpeers-controller")
    for one in manifests:
        cluster.api.delete(one)
    remove_namespace(cluster.api, SYSTEM)


@pytest.fixture
def configuration(cluster: Cluster) -> Iterator[Object]:
    manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "hotpeers-injector"},
        "webhooks": [
            {
                "name": "inject.hotpeers.dev",
                "clientConfig": {"url": "https://localhost:9/inject"},
                "rules": [],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
    yield cluster.api.create(manifest)
    cluster.api.delete(manifest)


@pytest.fixture
def api(account: ServiceAccount) -> Iterator[Api]:
    """The API under these rights."""
    yield (made := Api(account.access))
    made.close()


def duties() -> Duties:
    """Those of the settings by default."""
    return Duties(
        namespace=SYSTEM,
        lease="hotpeers-controller",
        identity="one",
        secret="hotpeers-certificates",
        names=serving_names("hotpeers-controller", SYSTEM),
        configurations=mutating("hotpeers-injector"),
        bind_readers=True,
    )


def refused(api: Api, method: str, path: str, body: Object | None = None) -> bool:
    """Whether it is forbidden, rather than bad or unknown."""
    try:
        api.request(method, path, body)
    except ApiError as error:
        return error.status == 403
    return False


async def test_rights_suffice_for_a_whole_controller(
    account: ServiceAccount, configuration: Object, cluster: Cluster, namespace: str
) -> None:
    api = cluster.api
    pod = api.create(injected(bare_pod(namespace, "alice")))
    binding = manifest_of(Binding(PEERS, namespace, Account(namespace, "alice")), None)
    used: list[Any] = []
    async with client_of(account.kubeconfig()) as client:
        replica = Replica(client, duties(), lambda *pair: used.append(pair))
        async with running(replica.run()):
            await until_async("a certificate to be used", lambda: used)
            await until_async("three bindings", lambda: replica.bindings == 3)
            assert api.read(binding)["metadata"]["ownerReferences"]
            (webhook,) = await until_async(
                "the caBundle of the webhooks",
                lambda: (
                    (found := api.read(configuration)["webhooks"])
                    and "caBundle" in found[0]["clientConfig"]
                    and found
                ),
            )
            kept = read(api, f"{SECRETS}/hotpeers-certificates")
            assert kept is not None
            assert webhook["clientConfig"]["caBundle"] == kept["data"]["ca.crt"]
            await until_async("no problems", lambda: replica.problems() == ())
            assert replica.leading
            api.delete(pod, gracePeriodSeconds=0)
            api.patch(binding, {"subjects": []})  # what was changed is deleted and made anew
    lease = read(
        api, f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/hotpeers-controller"
    )
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == ""
    for kind, path in (("RoleBinding", namespace), ("ClusterRoleBinding", "")):
        for one in api.list(RBAC, kind, path)["items"]:
            if namespace in one["metadata"]["name"]:
                api.delete({"apiVersion": RBAC, "kind": kind, **one})


def test_other_secrets_are_not_readable(api: Api, cluster: Cluster) -> None:
    other = f"{SECRETS}/other"
    cluster.api.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "other", "namespace": SYSTEM},
            "data": {"password": base64.b64encode(b"hush").decode()},
        }
    )
    try:
        assert refused(api, "GET", other)
        assert refused(api, "GET", SECRETS)
        assert refused(api, "GET", f"{SECRETS}?fieldSelector=metadata.name%3Dother")
        assert refused(api, "GET", "/api/v1/secrets")
        assert refused(api, "DELETE", f"{SECRETS}/hotpeers-certificates")
        # One of a token, by which it would be any account of the namespace.
        token = {"kubernetes.io/service-account.name": "other"}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/service-account-token",
        }
        secret["metadata"] = {"name": "hotpeers-token", "annotations": token}
        assert refused(api, "POST", SECRETS, secret)
    finally:
        cluster.api.request("DELETE", other)


# admin, edit and view are empty here: a controller that does not run would fill them.
@pytest.mark.parametrize("role", ["cluster-admin", "system:node", "system:kube-controller-manager"])
@pytest.mark.parametrize("place", ["", "default"])
def test_no_other_role_can_be_bound(role: str, place: str, api: Api) -> None:
    manifest = manifest_of(Binding(role, place, Account(SYSTEM, "hotpeers-controller")), None)
    with pytest.raises(ApiError, match="attempting to grant RBAC permissions not currently held"):
        api.create(manifest)


def test_rights_cannot_be_widened(api: Api) -> None:
    roles = f"/apis/{RBAC}/clusterroles"
    assert refused(api, "GET", roles)
    assert refused(api, "GET", f"{roles}/cluster-admin")
    for name in ("hotpeers-peers", "hotpeers-controller"):
        assert refused(api, "DELETE", f"{roles}/{name}")
        role = {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": name}, "rules": []}
        assert refused(api, "PUT", f"{roles}/{name}", role)
        assert refused(api, "POST", roles, role)
    binding = f"/apis/{RBAC}/clusterrolebindings/hotpeers-controller"
    assert refused(api, "PUT", binding, {"apiVersion": RBAC, "kind": "ClusterRoleBinding"})


def test_other_writes_are_forbidden(api: Api, configuration: Object) -> None:
    pods = "/api/v1/namespaces/default/pods"
    assert refused(api, "POST", pods, {"apiVersion": "v1", "kind": "Pod"})
    assert refused(api, "DELETE", f"{pods}/any")
    assert refused(api, "POST", f"{pods}/any/exec")
    assert refused(api, "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace"})
    assert refused(api, "DELETE", "/api/v1/namespaces/default")
    accounts = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/default/token"
    token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    assert refused(api, "POST", accounts, token)
    hooks = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    assert refused(api, "GET", hooks)
    assert refused(api, "DELETE", f"{hooks}/hotpeers-injector")
    assert refused(api, "POST", hooks, {**configuration, "metadata": {"name": "other"}})
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    assert refused(api, "GET", leases)
    assert refused(api, "GET", f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/other")


def test_other_writes_to_deployments_are_forbidden(api: Api, namespace: str) -> None:
    """What may be patched of them is limited by `chart/test_holds_policy`."""
    base = f"/apis/apps/v1/namespaces/{namespace}"
    for verb, path in (("POST", ""), ("PUT", "/any"), ("DELETE", "/any"), ("PATCH", "/any/scale")):
        assert refused(api, verb, f"{base}/deployments{path}", {})
    for verb in ("PATCH", "DELETE"):
        assert refused(api, verb, f"{base}/replicasets/any", {})
    kagent = f"/apis/kagent.dev/v1alpha2/namespaces/{namespace}"
    for plural in ("modelconfigs", "remotemcpservers"):
        for verb, path in (("GET", ""), ("POST", ""), ("PATCH", "/any"), ("DELETE", "/any")):
            if (verb, path, plural) != ("GET", "", "remotemcpservers"):
                assert refused(api, verb, f"{kagent}/{plural}{path}", {})


def test_configmaps_are_open_in_its_own_namespace_only(api: Api) -> None:
    name = {"name": "ledger", "namespace": SYSTEM}
    made = api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": name})
    maps = f"/api/v1/namespaces/{SYSTEM}/configmaps"
    assert api.request("GET", f"{maps}?labelSelector=a")["items"] == []
    stored = api.request("PUT", f"{maps}/ledger", {**made, "data": {"ledger": "{}"}})
    assert api.request("GET", f"{maps}/ledger") == stored
    # A whole collection, and a change that goes on from no version, are not needed.
    assert refused(api, "DELETE", maps)
    assert refused(api, "PATCH", f"{maps}/ledger", {})
    api.request("DELETE", f"{maps}/ledger")
    assert refused(api, "GET", "/api/v1/configmaps")
    for verb, path in (("GET", "/any"), ("GET", ""), ("POST", ""), ("DELETE", "/any")):
        assert refused(api, verb, f"/api/v1/namespaces/kube-system/configmaps{path}", {})


async def test_rights_suffice_to_maintain_the_state_of_the_guard(
    account: ServiceAccount, cluster: Cluster, crds: list[str], namespace: str
) -> None:
    api = cluster.api
    install_crd(api, SPAWN_POLICIES)
    lead = api.create(agent(namespace, "lead"))
    policy = api.create(spawn_policy(namespace, deletionPolicy="Retain"))
    expired = api.create(spawned(namespace, "expired", lead, seconds=-1))
    tools = api.create(account_manifest(namespace, "tools"))
    orphan = api.create(spawned(namespace, "orphan", tools))
    with configurations(api, "hotpeers-guard"):
        async with leader(
            cluster,
            SYSTEM,
            kubeconfig=account.kubeconfig(),
            patience=Patience(grace=1.0, linger=0.2),
            configuration="hotpeers-guard",
            owner="hotpeers-controller",
        ) as leading:
            await until_async(
                "the expired agent to be deleted", lambda: read(api, api.path(expired)) is None
            )
            governed = {(namespace, "lead"), (namespace, "orphan")}
            await until_async(
                "every governed account in the configuration",
                lambda: listed(api, "hotpeers-guard") == governed,
            )
            await until_async(
                "the status of the policy",
                lambda: api.read(policy).get("status", {}).get("conditions"),
            )
            ledger = f"/api/v1/namespaces/{SYSTEM}/configmaps/{ledger_name(f'{namespace}/workers')}"
            await until_async("the ledger", lambda: read(api, ledger))
            api.delete(tools)
            await until_async(
                "the orphan to be deleted", lambda: read(api, api.path(orphan)) is None
            )
            await until_async("two deletions", lambda: len(leading.causes) == 2)
            told = {"AgentExpired", "OrchestratorGone"}
            await until_async(
                "an Event of each reason",
                lambda: (
                    {one["reason"] for one in api.list("v1", "Event", namespace)["items"]} == told
                ),
            )
            await until_async("no problems of the duties", lambda: leading.duties.problems() == ())
            await until_async(
                "no problems of the governed accounts", lambda: leading.governed.problems() == ()
            )


def test_other_writes_to_agents_and_policies_are_forbidden(
    api: Api, cluster: Cluster, crds: list[str], namespace: str
) -> None:
    install_crd(cluster.api, SPAWN_POLICIES)
    agents = f"/apis/kagent.dev/v1alpha2/namespaces/{namespace}/agents"
    policies = f"/apis/hotpeers.dev/v1alpha1/namespaces/{namespace}/spawnpolicies"
    for kind in (agents, policies):
        assert refused(api, "POST", kind, {})
        assert refused(api, "PATCH", f"{kind}/any", {})
        assert refused(api, "PUT", f"{kind}/any", {})
        assert refused(api, "DELETE", kind)
    assert refused(api, "DELETE", f"{policies}/any")
    assert refused(api, "PATCH", f"{agents}/any/status", {})
    assert refused(api, "GET", f"/api/v1/namespaces/{namespace}/serviceaccounts")
    assert refused(api, "DELETE", f"/api/v1/namespaces/{namespace}/serviceaccounts/any")
    hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    for verb, path in (("GET", ""), ("DELETE", "/hotpeers-guard"), ("PATCH", "/other")):
        assert refused(api, verb, f"{hooks}{path}", {} if verb == "PATCH" else None)


async def test_rights_suffice_for_reads_and_events_of_the_guard(
    account: ServiceAccount, api: Api, cluster: Cluster, crds: list[str], namespace: str
) -> None:
    told = Told(
        (namespace, "workers"),
        "uid",
        "team/lead",
        "CREATE",
        Denial(PolicyReason.TOO_DEEP, "", ""),
        True,
    )
    account_of = cluster.api.create(account_manifest(namespace, "taken"))
    secret = {"name": "hidden", "namespace": namespace}
    cluster.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": secret})
    async with client_of(account.kubeconfig()) as client:
        live = Live(client)
        assert await live.occupied(namespace, "taken", known=True) == ("ServiceAccount",)
        # Secrets are not read unless one asks for it; and where one does, a 403 lets nobody through.
        assert await live.occupied(namespace, "hidden", known=False) == ()
        assert live.checks_secrets is False
        with pytest.raises(ForbiddenError):
            await Live(client, "true").occupied(namespace, "hidden", known=False)
        assert await Live(client, "false").occupied(namespace, "hidden", known=False) == ()
        found = await live.account(namespace, "taken")
        assert found["metadata"]["uid"] == account_of["metadata"]["uid"]
        assert await live.agent_spec(namespace, "nobody") is None
        await live.known_in(namespace)
        assert await tool_servers_or_none(client, namespace) == []
        lost: list[int] = []
        denials = Denials(client, lambda: lost.append(1), pause=0.0, same=0.0)
        async with running(denials.run()):
            denials.note(told)
            await until_async(
                "an Event", lambda: cluster.api.list("v1", "Event", namespace)["items"]
            )
            denials.note(told)
            await until_async(
                "an Event with the count two",
                lambda: [
                    one
                    for one in cluster.api.list("v1", "Event", namespace)["items"]
                    if one["count"] == 2
                ],
            )
        assert lost == []
    agents = f"/apis/kagent.dev/v1alpha2/namespaces/{namespace}/agents"
    assert refused(api, "POST", agents, {"apiVersion": "kagent.dev/v1alpha2", "kind": "Agent"})
    for path in ("/api/v1/serviceaccounts", "/api/v1/services", "/apis/apps/v1/statefulsets"):
        assert refused(api, "GET", path)
    assert refused(api, "GET", f"/api/v1/namespaces/{namespace}/secrets/hidden")
    assert refused(api, "GET", f"/api/v1/namespaces/{namespace}/configmaps")


async def tool_servers_or_none(client: Any, namespace: str) -> list[Any]:
    """The RemoteMCPServers of a namespace; none where their definition is not installed."""
    try:
        return await tool_servers(client, namespace)
    except Fault as fault:
        if fault.reason is not RegistryReason.OBJECT_NOT_FOUND:
            raise
        return []
