"""Leader election on a real API server, with the seconds of its pace cut down."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from hotpeers.controller.election import Election, LeaderClient, NotLeadingError, Pace
from hotpeers.kube.client import Client
from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.client import Object
from kit.apiserver.proxy import Proxy
from kit.apiserver.server import Cluster
from kit.controller.scene import client_of, ended, read, running
from kit.waiting import until_async

# The lease of one that is gone runs out soon, and that of one on a busy machine does not.
PACE = Pace(duration=6.0, renew=4.0, retry=0.3)
# It does not run out within any bound here.
LONG = Pace(duration=600.0, renew=400.0, retry=0.3)


class Worker:
    """A candidate whose work is to be seen."""

    def __init__(self, client: Client, namespace: str, name: str, pace: Pace = PACE) -> None:
        self.election = Election(client, namespace, "lease", name, pace)
        self.working = False
        self.terms = 0
        self.began_at = self.stopped_at = 0.0

    async def run(self) -> None:
        await self.election.run(self._work)

    async def _work(self) -> None:
        self.began_at = time.monotonic()
        self.working = True
        self.terms += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.working = False
            self.stopped_at = time.monotonic()


def path(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/lease"


def lease(cluster: Cluster, namespace: str) -> Object:
    found = read(cluster.api, path(namespace))
    assert found is not None
    return found["spec"]


async def test_one_of_many_leads_and_holds_the_lease(cluster: Cluster, namespace: str) -> None:
    async with client_of(cluster.kubeconfig) as client:
        workers = [Worker(client, namespace, f"w{i}", LONG) for i in range(5)]
        async with running(*(worker.run() for worker in workers)):
            await until_async(
                "one worker to lead", lambda: any(worker.working for worker in workers)
            )
            renewed = lease(cluster, namespace)["renewTime"]
            await until_async(
                "the lease to be renewed", lambda: lease(cluster, namespace)["renewTime"] != renewed
            )
            (leader,) = [worker for worker in workers if worker.working]
            spec = lease(cluster, namespace)
            assert spec["holderIdentity"] == leader.election.identity
            assert spec["leaseDurationSeconds"] == 600
            assert spec["leaseTransitions"] == 0
            assert leader.election.leading
            await until_async(
                "every worker to know the leader",
                lambda: all(w.election.holder == leader.election.identity for w in workers),
            )


async def test_released_lease_is_taken_at_once(cluster: Cluster, namespace: str) -> None:
    async with client_of(cluster.kubeconfig) as client:
        first, second = (Worker(client, namespace, name, LONG) for name in ("a", "b"))
        async with running(first.run()) as (task,):
            await until_async("the first to lead", lambda: first.working)
            async with running(second.run()):
                await until_async(
                    "the second to see that the first leads",
                    lambda: second.election.holder == first.election.identity,
                )
                await ended(task)
                assert not first.working
                assert not first.election.leading
                await until_async("the second to lead", lambda: second.working)
                assert lease(cluster, namespace)["leaseTransitions"] == 1
        assert lease(cluster, namespace)["holderIdentity"] == ""


async def test_leader_without_a_server_stops_before_another_may_begin(
    cluster: Cluster, namespace: str, proxy: Proxy, service_account: Any
) -> None:
    rules = [rule("coordination.k8s.io", "leases", "get create update")]
    account: ServiceAccount = service_account(namespace, "cut", rules)
    behind = account.kubeconfig(proxy.url)
    async with AsyncExitStack() as stack:
        cut = Worker(await stack.enter_async_context(client_of(behind)), namespace, "cut")
        free = Worker(
            await stack.enter_async_context(client_of(cluster.kubeconfig)), namespace, "f"
        )
        async with running(cut.run()):
            await until_async("the worker to lead that is to be cut off", lambda: cut.working)
            async with running(free.run()):
                await until_async(
                    "the other worker to see the leader", lambda: free.election.holder
                )
                proxy.black_hole()
                await until_async("the other worker to lead", lambda: free.working)
                assert not cut.working
                assert cut.stopped_at < free.began_at
                assert cut.election.problems()[0].reason == "ApiUnreachable"
                proxy.heal()
                await until_async(
                    "the first worker to see the new leader",
                    lambda: cut.election.holder == free.election.identity,
                )
                assert (cut.terms, free.terms) == (1, 1)


async def test_lease_that_another_took_ends_the_work(cluster: Cluster, namespace: str) -> None:
    async with client_of(cluster.kubeconfig) as client:
        # It would lead on for much longer than it is waited for.
        worker = Worker(client, namespace, "w", LONG)
        async with running(worker.run()):
            await until_async("the worker to lead", lambda: worker.working)
            taken = read(cluster.api, path(namespace))
            assert taken is not None
            theirs = {"holderIdentity": "thief", "leaseDurationSeconds": 2}
            cluster.api.patch(taken, {"spec": theirs})
            await until_async("the worker to stop leading", lambda: not worker.working)
            # It is not renewed, and so comes back.
            await until_async("the worker to lead again", lambda: worker.working)
            assert worker.terms == 2


async def test_deleted_lease_is_recreated(cluster: Cluster, namespace: str) -> None:
    async with client_of(cluster.kubeconfig) as client:
        worker = Worker(client, namespace, "w")
        async with running(worker.run()):
            await until_async("the worker to lead", lambda: worker.working)
            cluster.api.request("DELETE", path(namespace))
            await until_async("the lease", lambda: read(cluster.api, path(namespace)))
            await until_async("the worker to lead", lambda: worker.working)


@pytest.mark.parametrize("verb", ["get", "create", "update"])
async def test_missing_right_is_named(
    verb: str, cluster: Cluster, namespace: str, service_account: Any
) -> None:
    verbs = " ".join({"get", "create", "update"} - {verb})
    rules = [rule("coordination.k8s.io", "leases", verbs)]
    account: ServiceAccount = service_account(namespace, "poor", rules)
    if verb == "update":
        cluster.api.create(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": "lease", "namespace": namespace},
            }
        )
    async with client_of(account.kubeconfig()) as client:
        worker = Worker(client, namespace, "poor")
        async with running(worker.run()):
            (problem,) = await until_async("a problem of the election", worker.election.problems)
            assert problem.where == f"Lease/{namespace}/lease"
            assert problem.reason == "Forbidden"
            assert f'cannot {verb} resource "leases"' in problem.message
            assert not worker.working


async def test_work_that_fails_is_raised_and_gives_the_lease_back(
    cluster: Cluster, namespace: str
) -> None:
    async def fail() -> None:
        raise ValueError("a bug")

    async with client_of(cluster.kubeconfig) as client:
        election = Election(client, namespace, "lease", "w", PACE)
        with pytest.raises(ValueError, match="a bug"):
            await election.run(fail)
        assert lease(cluster, namespace)["holderIdentity"] == ""


async def test_replica_that_does_not_lead_sends_no_write(tmp_path: Path) -> None:
    class Untouchable:
        """Any request would be an AttributeError."""

    writer = LeaderClient(Untouchable(), lambda: False)  # type: ignore[arg-type]
    for request in (
        writer.post("/", {}),
        writer.put("/", {}),
        writer.patch("/", {}),
        writer.delete("/"),
    ):
        with pytest.raises(NotLeadingError):
            await request


async def test_lost_lease_detected_by_the_work_is_not_a_failure(
    cluster: Cluster, namespace: str
) -> None:
    async with client_of(cluster.kubeconfig) as client:
        election = Election(client, namespace, "lease", "w", PACE)
        terms: list[int] = []

        async def work() -> None:
            terms.append(1)
            async with asyncio.TaskGroup() as group:
                group.create_task(refused())

        async def refused() -> None:
            raise NotLeadingError

        async with running(election.run(work)):
            await until_async("a second term", lambda: len(terms) >= 2)
