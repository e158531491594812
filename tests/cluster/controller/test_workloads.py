"""The Orchestrators of injected workloads, and the statuses that their sidecars write.

On a real API server.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from hotpeers.controller.election import LeaderClient
from hotpeers.controller.status.peers import PeerStatuses
from hotpeers.controller.workloads import keeper as keeping_module
from hotpeers.controller.workloads.keeper import Workloads
from hotpeers.sidecar.acks.reader import Acks
from hotpeers.sidecar.status import orchestrator as reporting_module
from hotpeers.sidecar.status.document import Status
from hotpeers.sidecar.status.orchestrator import OrchestratorWriter
from hotpeers_shim.ack import AckWriter
from hotpeers_shim.contract import Ack, AckState, CallFailure
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.rbac import FOLDER, grant
from kit.apiserver.resources import orchestrator, peer
from kit.apiserver.server import Cluster
from kit.controller.injected import injected
from kit.controller.scene import client_of, running
from kit.sidecars import Sidecar
from kit.waiting import until_async

pytestmark = pytest.mark.usefixtures("crds")
APPS = "apps/v1"
OFFERED = {"hotpeers.dev/peer": "true"}
RBAC = "rbac.authorization.k8s.io/v1"
LABELS = {"app.kubernetes.io/name": "lead", "pod-template-hash": "abc12"}


@pytest.fixture
def controller(
    cluster: Cluster, namespace: str, service_account: Callable[..., ServiceAccount]
) -> ServiceAccount:
    """An account with the rights to keep Orchestrators, as in k8s/rbac/controller.yaml."""
    made = service_account(namespace, "controller")
    for manifest in yaml.safe_load_all((FOLDER / "controller.yaml").read_text()):
        if manifest["metadata"]["name"] == "hotpeers-controller-workloads":
            manifest["metadata"]["name"] = f"{namespace}-workloads"
            if manifest["kind"] == "ClusterRoleBinding":
                manifest["roleRef"]["name"] = f"{namespace}-workloads"
                subject = {"kind": "ServiceAccount", "name": made.name, "namespace": namespace}
                manifest["subjects"] = [subject]
            cluster.api.apply(manifest)
    return made


@pytest.fixture
def lead(service_account: Callable[..., ServiceAccount], namespace: str) -> ServiceAccount:
    """The account of an orchestrator's pods, with the rights that any sidecar has."""
    account = service_account(namespace, "lead")
    grant(account, "orchestrator.yaml")
    return account


def workload(namespace: str, kind: str, name: str, owner: Object | None = None) -> Object:
    template = {
        "metadata": {"labels": LABELS},
        "spec": {"containers": [{"name": "agent", "image": "agent:1"}]},
    }
    metadata: Object = {"namespace": namespace, "name": name}
    if owner is not None:
        metadata["ownerReferences"] = [reference(owner)]
    spec = {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": template}
    return {"apiVersion": APPS, "kind": kind, "metadata": metadata, "spec": spec}


def reference(owner: Object) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }


def pod(owner: Object, account: str, name: str, **labels: str) -> Object:
    """A pod of a workload, as the webhook leaves it."""
    namespace = owner["metadata"]["namespace"]
    return injected(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "namespace": namespace,
                "name": name,
                "labels": labels or LABELS,
                "ownerReferences": [reference(owner)],
            },
            "spec": {
                "serviceAccountName": account,
                "automountServiceAccountToken": False,
                "containers": [
                    {"name": "agent", "image": "agent:1", "command": ["python", "agent.py"]}
                ],
            },
        }
    )


@asynccontextmanager
async def keeping(account: ServiceAccount) -> AsyncIterator[Workloads]:
    async with client_of(account.kubeconfig()) as client:
        leader = LeaderClient(client, lambda: True)
        held = {(account.namespace, "lead"): "since noon (live)"}
        workloads = Workloads(client, leader, lambda: held)  # type: ignore[arg-type, return-value]
        peers = PeerStatuses(client, leader)
        async with running(workloads.run(), peers.run()):
            yield workloads
            assert not peers.problems()


def found(api: Api, one: Object) -> Object:
    try:
        return api.read(one)
    except ApiError as error:
        if error.status == 404:
            return {}
        raise


def refusal(api: Api, path: str, body: Object) -> str:
    return api.refusal("PATCH", path, body, content_type="application/merge-patch+json")


def condition(status: Object) -> tuple[str, str]:
    live = next((it for it in status.get("conditions", ()) if it["type"] == "Live"), {})
    return live.get("status", ""), live.get("reason", "")


class Reporting:
    """A sidecar as in a pod of the workload: under its account, and told its Orchestrator."""

    def __init__(self, folder: Path, account: ServiceAccount, replica: str) -> None:
        folder.mkdir()
        self.sidecar = Sidecar(folder)
        self._options = [
            *("--source", "kubernetes", "--kubeconfig", str(account.kubeconfig())),
            *("--orchestrator", f"{account.namespace}/lead", "--namespaces", account.namespace),
            *("--report-to", f"{account.namespace}/lead", "--replica", replica),
        ]

    def __enter__(self) -> Sidecar:
        self.sidecar.start(*self._options)
        return self.sidecar

    def __exit__(self, *_: object) -> None:
        self.sidecar.stop()


async def test_workload_is_shown_from_its_first_pod_to_its_last(
    cluster: Cluster,
    namespace: str,
    controller: ServiceAccount,
    lead: ServiceAccount,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeping_module, "GRACE_SECONDS", 0.0)
    api = cluster.api
    deployment = api.create(workload(namespace, "Deployment", "lead"))
    replica_set = api.create(workload(namespace, "ReplicaSet", "lead-abc12", deployment))
    first = api.create(pod(replica_set, "lead", "lead-1"))
    shown = orchestrator(namespace, "lead")
    api.create(peer(namespace, "weather", "http://127.0.0.1:9", labels=OFFERED, description="d"))
    with Reporting(tmp_path / "one", lead, "lead-1") as sidecar:
        async with keeping(controller) as workloads:
            await until_async("the Orchestrator", lambda: found(api, shown))
            made = api.read(shown)
            assert made["spec"]["workload"] == {
                "apiVersion": APPS,
                "kind": "Deployment",
                "name": "lead",
            }
            assert made["metadata"]["ownerReferences"][0]["uid"] == deployment["metadata"]["uid"]

            def status() -> Any:
                return api.read(shown).get("status", {})

            await until_async("the first report", lambda: status().get("peers") == 1)
            assert condition(status()) == ("Unknown", "NoProcess")
            source = f"Peer/{namespace}/weather"
            assert status()["offered"][0]["source"] == source
            assert status()["changes"][0]["added"] == [f"{namespace}/weather"]
            await until_async("the hold", lambda: status().get("held") == "since noon (live)")
            # An agent reports that it uses the list, and that calls of the peer fail.
            writer = AckWriter(sidecar.acks)
            generation = sidecar.read().generation
            tool = sidecar.read().peers[0].toolName
            failure = CallFailure(tool, "PeerUnreachable", "refused", 3, time.time())
            ack = Ack(
                pid=1,
                state=AckState.ACTIVE,
                generation=generation,
                failures=(failure,),
                calls=12,
                runtime={"kagent-adk": "0.10.2", "google-adk": "1.25.0"},
                time=time.time(),
            )
            writer.write(ack)
            await until_async("live", lambda: condition(status()) == ("True", "AllLive"))
            report = status()["replicas"]["lead-1"]
            assert (report["calls"], report["failures"]) == (12, {"PeerUnreachable": 3})
            assert status()["runtime"] == "kagent-adk 0.10.2"
            # The Peer shows the same, for its author.
            of_peer = peer(namespace, "weather", "http://127.0.0.1:9")
            await until_async(
                "the Peer's status", lambda: api.read(of_peer).get("status", {}).get("lastFailure")
            )
            told = api.read(of_peer)["status"]
            assert (told["offeredTo"], told["lastFailure"]["reason"]) == ("1", "PeerUnreachable")
            table = api.table("hotpeers.dev/v1alpha1", "Orchestrator", namespace)
            heads = [head["name"] for head in table["columnDefinitions"]]
            row = dict(zip(heads, table["rows"][0]["cells"], strict=True))
            assert (row["Peers"], row["Live"], row["Runtime"]) == (1, "True", "kagent-adk 0.10.2")
            assert not workloads.problems()
            # A pod that ends takes its report along.
            api.create(pod(replica_set, "lead", "lead-2"))
            api.delete(first, gracePeriodSeconds=0)
            await until_async("the end of its report", lambda: not status().get("replicas"), 30)
            assert condition(status())[0] == "Unknown"
            # A Deployment that is scaled to nothing keeps its Orchestrator; one without injection not.
            api.patch(deployment, {"spec": {"replicas": 0}})
            api.delete(pod(replica_set, "lead", "lead-2"), gracePeriodSeconds=0)
            await until_async("the end of the pod", lambda: workloads._idle)
            await asyncio.sleep(1.0)
            assert found(api, shown)
            api.patch(deployment, {"spec": {"replicas": 1}})
            await until_async("the end of the Orchestrator", lambda: not found(api, shown), 30)


async def test_sidecar_may_write_only_the_status_of_its_own_orchestrator(
    cluster: Cluster,
    namespace: str,
    controller: ServiceAccount,
    lead: ServiceAccount,
    service_account: Callable[..., ServiceAccount],
) -> None:
    api = cluster.api
    other = service_account(namespace, "other")
    owner = api.create(workload(namespace, "StatefulSet", "lead"))
    api.create(pod(owner, "lead", "lead-0"))
    rival = api.create(workload(namespace, "StatefulSet", "rival"))
    api.create(pod(rival, "other", "rival-0"))
    hub = api.create(orchestrator(namespace, "of-hub"))
    async with keeping(controller):
        mine = Api(lead.access)
        base = f"/apis/hotpeers.dev/v1alpha1/namespaces/{namespace}/orchestrators"
        body = {"status": {"peers": 1}}

        def allowed(who: Api, name: str) -> bool:
            return not refusal(who, f"{base}/{name}/status", body)

        await until_async("the right", lambda: found(api, orchestrator(namespace, "lead")))
        await until_async("the right", lambda: allowed(mine, "lead"))
        theirs = Api(other.access)
        await until_async("the other right", lambda: allowed(theirs, "rival"))
        for who, name in ((mine, "rival"), (theirs, "lead"), (mine, "of-hub")):
            assert not allowed(who, name)
        for verb in ("GET", "DELETE"):
            assert mine.refusal(verb, f"{base}/lead")
        assert mine.refusal("GET", base)
        assert "cannot patch" in refusal(mine, f"{base}/lead", {"spec": {"selector": {}}})
        # Its pods get another account: the first one loses the right.
        api.create(pod(owner, "other", "lead-1"))
        api.delete(pod(owner, "lead", "lead-0"), gracePeriodSeconds=0)
        await until_async("the change", lambda: not allowed(mine, "lead"))
        await until_async("the change", lambda: allowed(theirs, "lead"))
        assert api.read(hub).get("status", {}) == {}
        mine.close()
        theirs.close()


async def test_orchestrator_of_the_hub_is_not_touched_by_a_workload_of_its_name(
    cluster: Cluster, namespace: str, controller: ServiceAccount
) -> None:
    api = cluster.api
    hub = api.create(orchestrator(namespace, "lead"))
    owner = api.create(workload(namespace, "StatefulSet", "lead"))
    api.create(pod(owner, "lead", "lead-0"))
    async with keeping(controller) as workloads:
        await until_async("the problem", workloads.problems)
        (problem,) = workloads.problems()
        assert problem.reason == "OrchestratorTaken"
        assert problem.where == f"Orchestrator/{namespace}/lead"
    assert api.read(hub)["metadata"]["resourceVersion"] == hub["metadata"]["resourceVersion"]


async def test_rollout_has_one_orchestrator_for_its_revisions(
    cluster: Cluster, namespace: str, controller: ServiceAccount
) -> None:
    """Argo's ReplicaSets belong to a Rollout, whose kind this cluster does not know."""
    api = cluster.api
    metadata = {
        "namespace": namespace,
        "name": "lead",
        "uid": "7a1f0c52-0000-4000-8000-000000000001",
    }
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": metadata}
    for digest in ("6b9f", "7c8d"):
        name = f"lead-{digest}"
        replica_set = api.create(workload(namespace, "ReplicaSet", name, rollout))
        labels = {"rollouts-pod-template-hash": digest}
        api.create(pod(replica_set, "default", f"{name}-x", **labels))
    shown = orchestrator(namespace, "lead")
    async with keeping(controller) as workloads:
        await until_async("the Orchestrator", lambda: found(api, shown))
        binding = {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": dict(shown["metadata"])}
        binding["metadata"]["name"] = "hotpeers-status-lead"
        await until_async("the right of its pods", lambda: found(api, binding))
        assert not workloads.problems()
    assert api.read(shown)["spec"]["workload"]["kind"] == "Rollout"
    items = api.request("GET", f"/apis/hotpeers.dev/v1alpha1/namespaces/{namespace}/orchestrators")
    assert [one["metadata"]["name"] for one in items["items"]] == ["lead"]


async def test_workload_of_the_same_name_is_named_while_it_has_pods(
    cluster: Cluster, namespace: str, controller: ServiceAccount
) -> None:
    api = cluster.api
    deployment = api.create(workload(namespace, "Deployment", "lead"))
    replica_set = api.create(workload(namespace, "ReplicaSet", "lead-abc12", deployment))
    stateful = api.create(workload(namespace, "StatefulSet", "lead"))
    api.create(pod(replica_set, "default", "lead-abc12-x"))
    rival = api.create(pod(stateful, "default", "lead-0"))
    shown = orchestrator(namespace, "lead")

    def unique() -> Any:
        conditions = found(api, shown).get("status", {}).get("conditions", ())
        return next((one for one in conditions if one["type"] == "NameUnique"), {})

    async with keeping(controller) as workloads:
        await until_async("the condition", unique)
        assert (unique()["status"], unique()["reason"]) == ("False", "WorkloadHidden")
        assert unique()["message"].startswith("StatefulSet lead ")
        await until_async("the problem", workloads.problems)
        (problem,) = workloads.problems()
        assert (problem.where, problem.reason) == (
            f"Orchestrator/{namespace}/lead",
            "WorkloadHidden",
        )
        assert api.read(shown)["spec"]["workload"]["kind"] == "Deployment"
        api.delete(rival, gracePeriodSeconds=0)
        await until_async("the end of the condition", lambda: not unique())
        # The API server shows the status a moment before the controller has its answer.
        await until_async("the end of the problem", lambda: not workloads.problems())


async def test_orchestrator_that_was_deleted_by_hand_gets_its_status_again(
    cluster: Cluster,
    namespace: str,
    controller: ServiceAccount,
    lead: ServiceAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sidecar has nothing new to report, so nothing but its check finds out."""
    monkeypatch.setattr(reporting_module, "_SAME_SECONDS", 0.5)
    api = cluster.api
    owner = api.create(workload(namespace, "StatefulSet", "lead"))
    api.create(pod(owner, "lead", "lead-0"))
    shown = orchestrator(namespace, "lead")
    status = Status(source="kubernetes", peer_file="peers.json", ready=True, acks=Acks(()))

    def uid_and_report() -> tuple[str, Object]:
        one = found(api, shown)
        reports = one.get("status", {}).get("replicas", {})
        return one.get("metadata", {}).get("uid", ""), reports.get("lead-0", {})

    async with keeping(controller), client_of(lead.kubeconfig()) as client:
        writer = OrchestratorWriter(client, f"{namespace}/lead", "lead-0", lambda: status, pace=0.2)
        async with running(writer.run()):
            await until_async("the report", lambda: uid_and_report()[1])
            before, report = uid_and_report()
            api.delete(shown)
            await until_async(
                "another Orchestrator", lambda: uid_and_report()[0] not in {"", before}
            )
            await until_async("the report again", lambda: uid_and_report()[1])
            again = uid_and_report()[1]
            assert {**again, "time": ""} == {**report, "time": ""}
            assert writer.problem is None


async def test_a_thousand_changes_in_a_minute_are_few_writes(
    cluster: Cluster,
    namespace: str,
    controller: ServiceAccount,
    lead: ServiceAccount,
    tmp_path: Path,
) -> None:
    """The rate of the issue for a few seconds: 17 changes in a second, from two pods."""
    api = cluster.api
    owner = api.create(workload(namespace, "StatefulSet", "lead"))
    shown = orchestrator(namespace, "lead")
    for number in range(2):
        api.create(pod(owner, "lead", f"lead-{number}"))
    async with keeping(controller):
        binding = {"namespace": namespace, "name": "hotpeers-status-lead"}
        granted = {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": binding}
        await until_async("the right", lambda: found(api, granted))
    with (
        Reporting(tmp_path / "one", lead, "lead-0"),
        Reporting(tmp_path / "two", lead, "lead-1"),
    ):
        await until_async(
            "both reports", lambda: len(api.read(shown).get("status", {}).get("replicas", {})) == 2
        )
        versions: set[str] = set()
        begun = time.monotonic()
        for number in range(170):
            api.create(
                peer(
                    namespace,
                    f"p{number:03}",
                    "http://127.0.0.1:9",
                    labels=OFFERED,
                    description="d",
                )
            )
            versions.add(api.read(shown)["metadata"]["resourceVersion"])
            await asyncio.sleep(max(begun + number * 0.06 - time.monotonic(), 0.0))
        seconds = time.monotonic() - begun
        # The first version is that from before.
        assert len(versions) - 1 <= seconds / 2 + 2, (len(versions), seconds)
        await until_async("the last change", lambda: api.read(shown)["status"]["peers"] == 170, 30)
        status = api.read(shown)["status"]
        assert len(status["changes"]) <= 50
        assert len(json.dumps(status)) < 60_000
