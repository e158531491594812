"""The bindings of injected pods on a real API server."""

from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from hotpeers.controller.election import LeaderClient
from hotpeers.controller.rbac import grants
from hotpeers.controller.rbac.grants import DEFINITIONS, FEEDBACK, PEERS, Account, Binding
from hotpeers.controller.rbac.readers import Readers
from hotpeers.kube.client import Client
from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.client import Api, Object, read_yaml
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.rbac import FOLDER
from kit.apiserver.resources import bare_pod
from kit.apiserver.server import Cluster
from kit.controller.injected import injected
from kit.controller.scene import client_of, running
from kit.waiting import until_async

RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def roles(cluster: Cluster) -> list[Object]:
    return [cluster.api.apply(one) for one in read_yaml(FOLDER / "roles.yaml")]


@pytest.fixture
def away(cluster: Cluster, namespace: str) -> Iterator[str]:
    name = f"{namespace}-away"
    create_namespace(cluster.api, name)
    yield name
    remove_namespace(cluster.api, name)


@pytest.fixture(autouse=True)
def _clean(cluster: Cluster, namespace: str) -> Iterator[None]:
    """No controller takes away what a namespace leaves behind."""
    yield
    for kind in ("Pod", "RoleBinding"):
        version = "v1" if kind == "Pod" else RBAC
        for one in cluster.api.list(version, kind)["items"]:
            if one["metadata"]["namespace"].startswith(namespace):
                cluster.api.delete(
                    {"apiVersion": version, "kind": kind, **one}, gracePeriodSeconds=0
                )
    for one in cluster.api.list(RBAC, "ClusterRoleBinding")["items"]:
        if namespace in one["metadata"]["name"]:
            cluster.api.delete({"apiVersion": RBAC, "kind": "ClusterRoleBinding", **one})


def new_pod(namespace: str, account: str, namespaces: str = "") -> Object:
    annotations = {"hotpeers.dev/namespaces": namespaces} if namespaces else {}
    return bare_pod(namespace, account, f"pod-{uuid4().hex[:8]}", **annotations)


def pod(namespace: str, account: str, namespaces: str = "") -> Object:
    return injected(new_pod(namespace, account, namespaces))


def labelled_pod(namespace: str, account: str) -> Object:
    """One that somebody labelled by hand."""
    made = new_pod(namespace, account)
    made["metadata"]["labels"] = {"hotpeers.dev/injected": "true"}
    return made


def bound(api: Api, namespace: str, account: str) -> set[Binding]:
    """Every binding of an account to one of our roles, by its content."""
    found = set()
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for one in api.list(RBAC, kind)["items"]:
            subjects = [(x.get("namespace"), x["name"]) for x in one.get("subjects") or []]
            if (namespace, account) in subjects and one["roleRef"]["name"] in grants.ROLES:
                place = one["metadata"].get("namespace", "")
                found.add(Binding(one["roleRef"]["name"], place, Account(namespace, account)))
    return found


def own(namespace: str, account: str) -> set[Binding]:
    who = Account(namespace, account)
    return {
        Binding(PEERS, namespace, who),
        Binding(FEEDBACK, namespace, who),
        Binding(DEFINITIONS, "", who),
    }


@asynccontextmanager
async def readers(client: Client) -> Any:
    made = Readers(client, LeaderClient(client, lambda: True))
    async with running(made.run()):
        yield made


def invite(api: Api, namespace: str, said: str | None) -> None:
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    api.patch(manifest, {"metadata": {"annotations": {"hotpeers.dev/readers": said}}})


def label(api: Api, namespace: str, said: str | None) -> None:
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    api.patch(manifest, {"metadata": {"labels": {"hotpeers.dev/injection": said}}})


async def test_pod_is_bound_and_unbound_after_the_grace(
    cluster: Cluster, namespace: str, roles: list[Object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "GRACE_SECONDS", 5.0)
    api = cluster.api
    async with client_of(cluster.kubeconfig) as client, readers(client) as made:
        first = api.create(pod(namespace, "alice"))
        api.create(new_pod(namespace, "carol"))
        api.create(labelled_pod(namespace, "mallory"))
        await until_async(
            "alice's bindings", lambda: bound(api, namespace, "alice") == own(namespace, "alice")
        )
        for other in ("carol", "mallory"):
            assert bound(api, namespace, other) == set()
        await until_async("three bindings to be counted", lambda: made.count == 3)
        one = api.list(RBAC, "RoleBinding", namespace)["items"][0]
        assert one["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "hotpeers"}
        (owner,) = one["metadata"]["ownerReferences"]
        assert owner["uid"] in {role["metadata"]["uid"] for role in roles}
        # A rollout: the next comes before the first has gone, and in the other order.
        second = api.create(pod(namespace, "alice"))
        api.delete(first, gracePeriodSeconds=0)
        uids = {x["metadata"]["uid"] for x in api.list(RBAC, "RoleBinding", namespace)["items"]}
        api.delete(second, gracePeriodSeconds=0)
        third = api.create(pod(namespace, "alice"))
        bob = api.create(pod(namespace, "bob"))
        await until_async(
            "bob's bindings", lambda: bound(api, namespace, "bob") == own(namespace, "bob")
        )
        api.delete(bob, gracePeriodSeconds=0)
        await until_async(
            "bob's bindings to be removed", lambda: bound(api, namespace, "bob") == set()
        )
        after = {x["metadata"]["uid"] for x in api.list(RBAC, "RoleBinding", namespace)["items"]}
        assert after == uids
        api.delete(third, gracePeriodSeconds=0)
        await until_async(
            "alice's bindings to be removed", lambda: bound(api, namespace, "alice") == set()
        )
        await until_async("no problems", lambda: made.problems() == ())


async def test_account_is_bound_in_another_namespace_only_while_invited(
    cluster: Cluster, namespace: str, away: str, roles: list[Object]
) -> None:
    api = cluster.api
    there = Binding(PEERS, away, Account(namespace, "alice"))
    async with client_of(cluster.kubeconfig) as client, readers(client) as made:
        api.create(pod(namespace, "alice", f"{away},nowhere"))
        await until_async(
            "alice's bindings", lambda: bound(api, namespace, "alice") == own(namespace, "alice")
        )
        uninvited = {
            (f"Namespace/{away}", "ReadersNotInvited"),
            ("Namespace/nowhere", "ReadersNotInvited"),
        }
        await until_async(
            "the problems of namespaces without an invitation",
            lambda: {(x.where, x.reason.value) for x in made.problems()} == uninvited,
        )
        invite(api, away, f"somebody,{namespace}/alice")
        await until_async(
            "alice's binding in the other namespace",
            lambda: there in bound(api, namespace, "alice"),
        )
        # At once, not after the grace: the right is withdrawn, not unused.
        invite(api, away, None)
        await until_async(
            "alice's binding in the other namespace to be removed",
            lambda: there not in bound(api, namespace, "alice"),
            grants.GRACE_SECONDS / 2,
        )
        assert bound(api, namespace, "alice") == own(namespace, "alice")


async def test_nobody_is_bound_where_nothing_may_be_injected(
    cluster: Cluster, namespace: str, away: str, roles: list[Object]
) -> None:
    api = cluster.api
    label(api, away, "disabled")
    async with client_of(cluster.kubeconfig) as client, readers(client) as made:
        api.create(pod(away, "mallory"))
        api.create(pod(namespace, "alice"))
        await until_async(
            "alice's bindings", lambda: bound(api, namespace, "alice") == own(namespace, "alice")
        )
        told = [(f"Namespace/{away}", "InjectionDisabled")]
        await until_async(
            "the problem of the refused namespace",
            lambda: [(one.where, one.reason.value) for one in made.problems()] == told,
        )
        assert bound(api, away, "mallory") == set()
        label(api, away, None)
        await until_async(
            "mallory's bindings", lambda: bound(api, away, "mallory") == own(away, "mallory")
        )
        label(api, away, "disabled")
        await until_async(
            "mallory's bindings to be removed",
            lambda: bound(api, away, "mallory") == set(),
            grants.GRACE_SECONDS / 2,
        )


async def test_wildcard_namespaces_create_only_the_own_bindings(
    cluster: Cluster, namespace: str, away: str, roles: list[Object]
) -> None:
    api = cluster.api
    invite(api, away, "*")
    async with client_of(cluster.kubeconfig) as client, readers(client):
        api.create(pod(namespace, "alice", "*"))
        await until_async("a binding of alice", lambda: bound(api, namespace, "alice"))
        await until_async(
            "three bindings of alice", lambda: len(bound(api, namespace, "alice")) == 3
        )
        assert bound(api, namespace, "alice") == own(namespace, "alice")


async def test_foreign_binding_is_not_changed(
    cluster: Cluster, namespace: str, roles: list[Object]
) -> None:
    api = cluster.api
    ours = Binding(PEERS, namespace, Account(namespace, "alice"))
    taken = grants.manifest_of(Binding(PEERS, namespace, Account(namespace, "mallory")), None)
    taken["metadata"] = {"name": ours.name, "namespace": namespace}
    taken = api.create(taken)
    # With our label, but not of our making.
    labelled = grants.manifest_of(ours, None)
    labelled["metadata"]["name"] = "hotpeers-peers-by-hand"
    labelled = api.create(labelled)
    async with client_of(cluster.kubeconfig) as client, readers(client) as made:
        api.create(pod(namespace, "alice"))
        (problem,) = await until_async("the taken binding to be a problem", made.problems)
        assert problem.where == f"RoleBinding/{namespace}/{ours.name}"
        assert problem.reason == "BindingTaken"
        assert api.read(taken)["subjects"] == taken["subjects"]
        assert api.read(labelled)["metadata"]["uid"] == labelled["metadata"]["uid"]


async def test_changed_and_deleted_bindings_are_put_right(
    cluster: Cluster, namespace: str, roles: list[Object]
) -> None:
    api = cluster.api
    ours = Binding(PEERS, namespace, Account(namespace, "alice"))
    async with client_of(cluster.kubeconfig) as client, readers(client):
        api.create(pod(namespace, "alice"))
        await until_async(
            "alice's bindings", lambda: bound(api, namespace, "alice") == own(namespace, "alice")
        )
        manifest = grants.manifest_of(ours, None)
        api.patch(manifest, {"subjects": [{"kind": "User", "name": "eve", "apiGroup": RBAC[:-3]}]})
        await until_async(
            "alice's bindings after one was changed",
            lambda: bound(api, namespace, "alice") == own(namespace, "alice"),
        )
        assert api.read(manifest)["subjects"][0]["name"] == "alice"
        api.delete(manifest)
        await until_async(
            "alice's bindings after one was deleted",
            lambda: bound(api, namespace, "alice") == own(namespace, "alice"),
        )


async def test_missing_role_is_named(cluster: Cluster, namespace: str, roles: list[Object]) -> None:
    (peers,) = [role for role in roles if role["metadata"]["name"] == PEERS]
    cluster.api.delete(peers)
    try:
        async with client_of(cluster.kubeconfig) as client, readers(client) as made:
            cluster.api.create(pod(namespace, "alice"))
            await until_async(
                "two bindings of alice", lambda: len(bound(cluster.api, namespace, "alice")) == 2
            )
            (problem,) = await until_async("the missing role to be a problem", made.problems)
            assert (problem.where, problem.reason) == (f"ClusterRole/{PEERS}", "RoleMissing")
    finally:
        cluster.api.apply(read_yaml(FOLDER / "roles.yaml")[0])


VERBS = [
    *(("", "pods", verb) for verb in ("list", "watch")),
    *(("", "namespaces", verb) for verb in ("list", "watch")),
    *(
        (RBAC[:-3], kind, verb)
        for kind in ("rolebindings", "clusterrolebindings")
        for verb in ("list", "watch", "create", "delete")
    ),
    (RBAC[:-3], "clusterroles", "bind"),
]


@pytest.mark.parametrize(("group", "resource", "verb"), VERBS)
async def test_missing_right_is_named(
    group: str,
    resource: str,
    verb: str,
    cluster: Cluster,
    namespace: str,
    roles: list[Object],
    service_account: Callable[..., ServiceAccount],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grants, "GRACE_SECONDS", 0.2)
    rest = [one for one in VERBS if one != (group, resource, verb)]
    rest.append((RBAC[:-3], "clusterroles", "get"))
    account = service_account(namespace, "poor", cluster_rules=[rule(*one) for one in rest])
    one = cluster.api.create(pod(namespace, "alice"))
    async with client_of(account.kubeconfig()) as client, readers(client) as made:

        def named() -> bool:
            what = f'cannot {verb} resource "{resource}"'
            if verb == "bind":
                what = f"bind on ClusterRole {PEERS} are needed"
            found = [x for x in made.problems() if x.reason == "Forbidden"]
            return any(what in x.message for x in found)

        if verb == "delete":
            await until_async(
                "alice's bindings",
                lambda: bound(cluster.api, namespace, "alice") == own(namespace, "alice"),
            )
            cluster.api.delete(one, gracePeriodSeconds=0)
        await until_async("the missing right to be named", named)
