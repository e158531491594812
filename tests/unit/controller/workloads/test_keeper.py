"""The keeper of injected workloads, with objects that others have made."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from hotpeers.controller.election import LeaderClient
from hotpeers.controller.reconciler import Reconciler
from hotpeers.controller.workloads.keeper import Workloads
from hotpeers.controller.workloads.objects import read_existing
from hotpeers.controller.workloads.pods import Owner, read_injected_pod
from hotpeers.kube.client import Client
from hotpeers.kube.errors import ConflictError, ForbiddenError, NotFoundError
from hotpeers.kube.reasons import KubeReason
from kit.controller.injected import injected


class Server:
    """Answers a GET from `objects`, and records all other requests."""

    def __init__(self, objects: dict[str, Any], *, has_role: bool = False) -> None:
        self.objects = objects
        self.has_role = has_role
        self.read: list[str] = []
        self.written: list[str] = []

    async def get(self, path: str) -> Any:
        self.read.append(path)
        if path not in self.objects:
            raise NotFoundError("not found")
        return self.objects[path]

    async def post(self, path: str, body: Any) -> Any:
        if self.has_role and path.endswith("/roles"):
            raise ConflictError("exists")
        self.written.append(f"POST {path}")
        return body

    async def delete(self, path: str, uid: str = "") -> Any:
        self.written.append(f"DELETE {path} {uid}")


def workloads(server: Server) -> Workloads:
    return Workloads(cast("Client", server), cast("LeaderClient", server))


def orchestrator(**owner: Any) -> dict[str, Any]:
    one = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "lead", "uid": "d"}
    return {
        "metadata": {
            "namespace": "ns",
            "name": "lead",
            "uid": "u1",
            "generation": 1,
            "ownerReferences": [{**one, **owner}],
        },
        "spec": {"workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "lead"}},
    }


PATH = "/apis/hotpeers.dev/v1alpha1/namespaces/ns/orchestrators/lead"
DEPLOYMENT = "/apis/apps/v1/namespaces/ns/deployments/lead"


@pytest.mark.parametrize(
    "owner",
    [
        {"name": "../../../../../../version"},
        {"name": "lead?watch=true"},
        {"apiVersion": "../../api/v1"},
        {"name": ".."},
    ],
)
def test_owner_of_an_orchestrator_leads_no_request_elsewhere(owner: dict[str, Any]) -> None:
    data = orchestrator(**owner)
    server = Server({PATH: data})
    asyncio.run(workloads(server)._retire(read_existing(data)))
    assert server.read == [PATH]
    assert server.written == [f"DELETE {PATH} u1"]


@pytest.mark.parametrize("found", [[], {}, {"metadata": None, "spec": 1}])
def test_odd_answer_about_a_workload_ends_nothing(found: Any) -> None:
    data = orchestrator()
    server = Server({PATH: data, DEPLOYMENT: found})
    asyncio.run(workloads(server)._retire(read_existing(data)))
    assert server.written == [f"DELETE {PATH} u1"]


def test_orchestrator_of_a_deployment_without_replicas_stays() -> None:
    data = orchestrator()
    server = Server({PATH: data, DEPLOYMENT: {"metadata": {"uid": "d"}, "spec": {"replicas": 0}}})
    asyncio.run(workloads(server)._retire(read_existing(data)))
    assert server.written == []


def test_owner_of_another_replica_set_is_not_learnt() -> None:
    """Else a pod of one namespace could rename the owner of another namespace's ReplicaSet."""
    path = "/apis/apps/v1/namespaces/ns/replicasets/lead-abc"
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "lead", "uid": "d"}
    metadata = {"uid": "own", "ownerReferences": [{**reference, "controller": True}]}
    keeper = workloads(Server({path: {"metadata": metadata}}))
    for uid in ("own", "victim"):
        asyncio.run(keeper._learn("ns", Owner("apps/v1", "ReplicaSet", "lead-abc", uid)))
    assert keeper._owners.keys() == {"own"}


def pod_of(replica_set: str) -> dict[str, Any]:
    return injected(
        {
            "metadata": {
                "namespace": "ns",
                "name": "pod",
                "uid": "p",
                "labels": {"pod-template-hash": "abc"},
                "ownerReferences": [
                    {
                        "apiVersion": "apps/v1",
                        "kind": "ReplicaSet",
                        "name": replica_set,
                        "uid": "rs",
                        "controller": True,
                    }
                ],
            },
            "spec": {
                "serviceAccountName": "lead",
                "automountServiceAccountToken": False,
                "containers": [{"name": "a", "image": "a", "command": ["python", "a.py"]}],
            },
        }
    )


class Forbidding(Server):
    """Lets nobody read ReplicaSets."""

    async def get(self, path: str) -> Any:
        if "/replicasets/" in path:
            raise ForbiddenError("not allowed")
        return await super().get(path)


@pytest.fixture
def up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reconciler, "up_to_date", True)


async def test_orchestrator_stays_while_the_owner_of_its_pods_cannot_be_read(
    up_to_date: None,
) -> None:
    data = orchestrator()
    deployment = {"metadata": {"uid": "d"}, "spec": {"replicas": 1}}
    server = Forbidding({PATH: data, DEPLOYMENT: deployment})
    keeper = workloads(server)
    keeper._pods.store.put(pod_of("lead-abc"), read_injected_pod)
    keeper._existing.store.put(data, read_existing)
    for _ in range(2):
        await keeper._pass()
        keeper._idle = dict.fromkeys(keeper._idle, float("-inf"))
    assert server.written == []
    assert [one.where for one in keeper.problems()] == ["ReplicaSet/ns/lead-abc"]


async def test_problem_of_a_deployment_without_replicas_is_solved(up_to_date: None) -> None:
    data = orchestrator()
    deployment = {"metadata": {"uid": "d"}, "spec": {"replicas": 0}}
    keeper = workloads(Server({PATH: data, DEPLOYMENT: deployment}))
    one = read_existing(data)
    keeper._fail(one.key, "Orchestrator/ns/lead", KubeReason.API_BUSY, "cannot be deleted")
    await keeper._retire(one)
    assert keeper.problems() == ()


async def test_replica_set_that_does_not_exist_is_not_asked_for_in_each_pass() -> None:
    """Anybody who creates pods may name any owner."""
    server = Server({})
    keeper = workloads(server)
    keeper._pods.store.put(pod_of("lead-abc"), read_injected_pod)
    for _ in range(20):
        await keeper._pass()
    assert server.read == ["/apis/apps/v1/namespaces/ns/replicasets/lead-abc"]


@pytest.mark.parametrize(("has_role", "seconds"), [(True, 30.0), (False, 600.0)])
def test_role_of_a_deleted_orchestrator_is_soon_replaced(
    monkeypatch: pytest.MonkeyPatch, has_role: bool, seconds: float
) -> None:
    """Kubernetes deletes the old Role a moment after the new Orchestrator has found it."""
    monkeypatch.setattr("hotpeers.controller.workloads.keeper.time.monotonic", lambda: 0.0)
    server = Server({}, has_role=has_role)
    keeper = workloads(server)
    one = read_existing(orchestrator())
    asyncio.run(keeper._grant(one, frozenset({"lead"})))
    assert keeper._granted[one.uid] == (frozenset({"lead"}), seconds)


def test_reports_stay_while_the_watch_of_pods_is_out_of_date() -> None:
    """It may not have the pods that have reported."""
    data = orchestrator()
    data["status"] = {"replicas": {"new": {"time": "2026-11-29T12:00:00Z", "live": "True"}}}
    server = Server({PATH: data})
    asyncio.run(workloads(server)._update_status(read_existing(data), {"old"}, ""))
    assert (server.read, server.written) == ([], [])
