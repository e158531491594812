"""The cluster source with less than its rights: each lack is named, and the rest goes on."""

import asyncio
import signal
from collections.abc import Callable

import pytest

from cluster.sidecar.sources.following import DEFINITIONS, EVERYTHING, LABELS, following, problems
from hotpeers.base.scope import State
from hotpeers.kube.reasons import KubeReason
from kit.apiserver.accounts import ServiceAccount, make_account, rule
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.resources import agent, peer
from kit.apiserver.server import Cluster


async def test_forbidden_namespace_is_named_and_the_others_go_on(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    service_account: Callable[..., ServiceAccount],
) -> None:
    account = service_account(namespace, "sidecar", EVERYTHING, cluster_rules=DEFINITIONS)
    async with following(account.kubeconfig(), [namespace, "kube-system"]) as source:
        now = await source.names()
        assert problems(now) == {KubeReason.FORBIDDEN}
        assert {problem.where for problem in now.problems} == {
            f"{kind} in namespace kube-system" for kind in ("Agent", "Peer", "Service")
        }
        assert set(now.unread) == {f"{kind}/kube-system/" for kind in ("Agent", "Peer", "Service")}
        cluster.api.create(peer(namespace, "weather", labels=LABELS))
        await source.names("weather")
        states = {(s.kind, s.namespace): (s.state, s.reason) for s in source.source.scopes()}
        assert states["Peer", "kube-system"] == (State.RETRYING, KubeReason.FORBIDDEN)
        assert states["Peer", namespace] == (State.FOLLOWING, None)


async def test_removed_rights_remove_no_peer(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    service_account: Callable[..., ServiceAccount],
) -> None:
    cluster.api.create(peer(namespace, "weather", labels=LABELS))
    account = service_account(namespace, "sidecar", EVERYTHING)
    async with following(account.kubeconfig(), [namespace]) as source:
        await source.names("weather")
        account.bind([rule("", "services", "list watch")])
        cluster.restart(signal.SIGKILL)
        now = await source.until(lambda now: KubeReason.FORBIDDEN in problems(now), 60)
        assert [item.name for item in now.candidates] == ["weather"]


@pytest.mark.parametrize("verb", ["list", "watch"])
@pytest.mark.parametrize(
    ("kind", "group", "resource"),
    [
        ("Agent", "kagent.dev", "agents"),
        ("Peer", "hotpeers.dev", "peers"),
        ("Service", "", "services"),
    ],
)
async def test_missing_verb_is_named_and_the_other_kinds_go_on(
    cluster: Cluster,
    namespace: str,
    crds: list[str],
    service_account: Callable[..., ServiceAccount],
    kind: str,
    group: str,
    resource: str,
    verb: str,
) -> None:
    kept = [item for item in EVERYTHING if item["resources"] != [resource]]
    left = "watch" if verb == "list" else "list"
    rules = [*kept, rule(group, resource, left)]
    account = service_account(namespace, "sidecar", rules, cluster_rules=DEFINITIONS)
    async with following(account.kubeconfig(), [namespace]) as source:
        now = await source.until(lambda now: now.complete and bool(now.problems))
        (problem,) = now.problems
        assert (problem.where, problem.reason) == (
            f"{kind} in namespace {namespace}",
            KubeReason.FORBIDDEN,
        )
        assert f'cannot {verb} resource "{resource}"' in problem.message
        other = "weather" if kind != "Peer" else "sql"
        make = peer if kind != "Peer" else agent
        await asyncio.to_thread(cluster.api.create, make(namespace, other, labels=LABELS))
        await source.names(other)
        await source.watched()
        states = {scope.kind: (scope.state, scope.reason) for scope in source.source.scopes()}
        assert states.pop(kind) == (State.RETRYING, KubeReason.FORBIDDEN)
        assert states.pop("Agent.api.kagent.dev") == (State.NOT_INSTALLED, None)
        assert set(states.values()) == {(State.FOLLOWING, None)}


async def test_unserved_kinds_are_named_without_the_right_to_read_crds(
    own_cluster: Cluster,
) -> None:
    await asyncio.to_thread(own_cluster.start)
    create_namespace(own_cluster.api, "bare")
    account = make_account(own_cluster, "bare", "sidecar", EVERYTHING)
    async with following(account.kubeconfig(), ["bare"]) as source:
        now = await source.until(lambda now: now.complete and len(now.problems) == 3)
        assert problems(now) == {KubeReason.NOT_SERVED}
        assert set(now.unread) == {"Agent/bare/", "Agent.api.kagent.dev/bare/", "Peer/bare/"}
        files = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "files", "namespace": "bare", "labels": LABELS},
            "spec": {"ports": [{"port": 8080}]},
        }
        own_cluster.api.create(files)
        await source.names("files")
