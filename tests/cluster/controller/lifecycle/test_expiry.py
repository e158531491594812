"""Spawned agents end when it is time, on a real API server."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator

import pytest

from hotpeers.controller.admission.knowledge import Knowledge
from hotpeers.controller.lifecycle.ends import read_time
from hotpeers.controller.quota.ledger_text import read_ledger
from hotpeers.controller.quota.ledgers import ledger_name
from hotpeers.spawnpolicy.decision import Decision
from hotpeers.spawnpolicy.stamps import EXPIRES, POLICY, SPAWNED
from kit.apiserver.accounts import make_account, rule
from kit.apiserver.client import Api, Object
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.proxy import Proxy
from kit.apiserver.resources import account_manifest, agent, install_crd
from kit.apiserver.server import Cluster
from kit.controller.guarding import configurations
from kit.controller.leading import SPAWN_POLICIES, Leader, leader, lease, spawn_policy, spawned
from kit.controller.scene import read
from kit.counting import count_calls
from kit.waiting import until_async

AGENTS = "kagent.dev/v1alpha2"
GONE_AFTER = 2.0
MERGE = "application/merge-patch+json"


@pytest.fixture(autouse=True)
def place(cluster: Cluster, crds: list[str], namespace: str) -> Iterator[None]:
    """Definitions, the guard's configurations, a Lease and a policy."""
    install_crd(cluster.api, SPAWN_POLICIES)
    with configurations(cluster.api, f"guard-{namespace}"):
        lease(cluster.api, namespace)
        cluster.api.create(spawn_policy(namespace))
        yield


@pytest.fixture
def lead(cluster: Cluster, place: None, namespace: str) -> Object:
    """The orchestrator."""
    return cluster.api.create(agent(namespace, "lead"))


@pytest.fixture
def elsewhere(cluster: Cluster, namespace: str) -> Iterator[str]:
    """Another namespace."""
    name = f"{namespace}-other"
    create_namespace(cluster.api, name)
    yield name
    remove_namespace(cluster.api, name)


def names(api: Api, namespace: str) -> set[str]:
    return {one["metadata"]["name"] for one in api.list(AGENTS, "Agent", namespace)["items"]}


def events(api: Api, namespace: str) -> list[tuple[str, str, str]]:
    return [
        (one["reason"], one["involvedObject"]["name"], one["message"])
        for one in api.list("v1", "Event", namespace)["items"]
    ]


async def never(leader: Leader, api: Api, namespace: str, expected: set[str]) -> None:
    """Nothing else goes: a marker that comes later ends first."""
    lead = api.create(agent(namespace, "marker-lead"))
    marker = api.create(spawned(namespace, "marker", lead, seconds=0.0))
    await until_async("the marker to be deleted", lambda: api.is_gone(marker))
    api.delete(lead)
    assert names(api, namespace) == expected


async def test_they_end_at_their_time_to_about_a_second(
    cluster: Cluster,
    namespace: str,
    elsewhere: str,
    lead: Object,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    audit = logging.getLogger("hotpeers.audit")
    caplog.set_level(logging.INFO, audit.name)
    # Its lines go nowhere else, once a controller has set up its logs.
    monkeypatch.setattr(audit, "propagate", True)
    api, late = cluster.api, []
    ends: dict[str, float] = {}
    async with leader(cluster, namespace) as leading:
        await until_async("fresh knowledge", leading.knowledge.fresh)
        made = [
            api.create(spawned(place, f"worker-{seconds}", lead, seconds=seconds))
            for seconds, place in ((2, namespace), (3, elsewhere), (5, namespace), (900, namespace))
        ]
        for one in made[:3]:
            await until_async("the expired agent to be deleted", lambda one=one: api.is_gone(one))
            ends[one["metadata"]["name"]] = time.time()
            expires = read_time(one["metadata"]["annotations"][EXPIRES])
            assert expires is not None
            late.append(ends[one["metadata"]["name"]] - expires.timestamp())
        await until_async(
            "three causes AgentExpired", lambda: leading.causes == ["AgentExpired"] * 3
        )
    with capsys.disabled():
        print(
            f"\ncontroller: agents gone {', '.join(f'{one:.3f}' for one in late)} s after their time"
        )
    # How late exactly is shown; here only that nothing waits for the next look of ten seconds.
    assert all(0 <= one < 5.0 for one in late), late
    assert names(api, namespace) == {"lead", "worker-900"}
    told = await until_async("an Event elsewhere", lambda: events(api, elsewhere))
    assert [(reason, name) for reason, name, _ in told] == [("AgentExpired", "worker-3")]
    assert told[0][2].startswith("deleted: its time ended at ")
    lines = [json.loads(one.getMessage()) for one in caplog.records if one.name == "hotpeers.audit"]
    assert sorted((one["operation"], one["name"], one["reason"]) for one in lines) == [
        ("DELETE", f"worker-{seconds}", "AgentExpired") for seconds in (2, 3, 5)
    ]
    assert lines[0]["policy"] == f"{namespace}/workers"
    assert lines[0]["spawnedBy"] == f"{namespace}/lead"


async def test_what_the_guard_did_not_make_is_never_touched(
    cluster: Cluster, namespace: str, lead: Object
) -> None:
    api = cluster.api
    unlabelled = spawned(namespace, "unlabelled", lead, seconds=-60)
    unlabelled["metadata"]["labels"] = {}
    api.create(unlabelled)
    bare = agent(namespace, "only-labelled", labels={SPAWNED: "true"})
    api.create(bare)
    api.create(spawned(namespace, "unreadable", lead, **{EXPIRES: "yesterday"}))
    async with leader(cluster, namespace) as leading:
        expected = {"lead", "unlabelled", "only-labelled", "unreadable"}
        await until_async(
            "the problem StampUnreadable", lambda: leading.reasons() == {"StampUnreadable"}
        )
        await never(leading, api, namespace, expected)
        wheres = {one.where for one in leading.duties.problems()}
        assert wheres == {f"Agent/{namespace}/only-labelled", f"Agent/{namespace}/unreadable"}


async def test_they_go_with_their_policy_but_not_with_one_that_comes_back(
    cluster: Cluster, namespace: str, elsewhere: str, lead: Object
) -> None:
    api, policy = cluster.api, spawn_policy(namespace)
    api.create(spawned(namespace, "near", lead))
    far = api.create(spawned(elsewhere, "far", lead))
    # Twice more than half of it is more than all of it, and once is far from it on any machine.
    gone_after = 6.0
    async with leader(cluster, namespace, gone_after=gone_after) as leading:
        await until_async(
            "fresh knowledge of one policy",
            lambda: leading.knowledge.fresh() and len(leading.knowledge.policies()) == 1,
        )
        for _ in range(2):
            api.delete(policy)
            await until_async(
                "the policy to be missing from the cache", lambda: not leading.knowledge.policies()
            )
            await asyncio.sleep(gone_after * 0.55)
            api.create(policy)
            await until_async("the policy to be in the cache", leading.knowledge.policies)
        assert names(api, namespace) == {"lead", "near"}
        began = time.monotonic()
        api.delete(policy)
        await until_async("the agent far below to be deleted", lambda: api.is_gone(far))
        assert time.monotonic() - began >= gone_after - 0.1
        await until_async("only the lead to be left", lambda: names(api, namespace) == {"lead"})
        await until_async(
            "one Event PolicyGone",
            lambda: [one for one, *_ in events(api, elsewhere)] == ["PolicyGone"],
        )


async def test_agents_stay_when_a_retain_policy_is_deleted(
    cluster: Cluster, namespace: str, lead: Object
) -> None:
    api = cluster.api
    api.patch(spawn_policy(namespace), {"spec": {"deletionPolicy": "Retain"}})
    api.create(spawned(namespace, "worker", lead))
    path = f"/api/v1/namespaces/{namespace}/configmaps/{ledger_name(f'{namespace}/workers')}"

    def noted() -> bool:
        found = read(api, path)
        return (
            found is not None
            and json.loads(found["data"]["ledger"]).get("deletionPolicy") == "Retain"
        )

    async with leader(cluster, namespace, gone_after=GONE_AFTER):
        await until_async("the deletion policy in the ledger", noted)
    # Nobody sees it go, and a new leader only has the ledger.
    api.delete(spawn_policy(namespace))
    async with leader(cluster, namespace, gone_after=GONE_AFTER) as leading:
        await until_async("fresh knowledge", leading.knowledge.fresh)
        await asyncio.sleep(GONE_AFTER * 1.5)
        await never(leading, api, namespace, {"lead", "worker"})


async def test_unreadable_ledger_ends_no_agent(
    cluster: Cluster, namespace: str, lead: Object
) -> None:
    api = cluster.api
    api.create(spawned(namespace, "worker", lead))
    api.delete(spawn_policy(namespace))
    metadata = {
        "name": ledger_name(f"{namespace}/workers"),
        "namespace": namespace,
        "labels": {"hotpeers.dev/ledger": "true"},
    }
    broken = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"ledger": "{"},
    }
    api.create(broken)
    async with leader(cluster, namespace, gone_after=GONE_AFTER) as leading:
        await until_async(
            "the problem DeletionUnknown", lambda: "DeletionUnknown" in leading.reasons()
        )
        assert names(api, namespace) == {"lead", "worker"}
        api.delete(broken)
        await until_async("only the lead to be left", lambda: names(api, namespace) == {"lead"})
        await until_async("no problems", lambda: leading.reasons() == set())


async def test_they_go_with_their_orchestrator_also_when_another_has_its_name(
    cluster: Cluster, namespace: str, elsewhere: str, lead: Object
) -> None:
    api = cluster.api
    near = api.create(spawned(namespace, "near", lead))
    far = api.create(spawned(elsewhere, "far", lead))
    child = api.create(spawned(elsewhere, "child", far, **{POLICY: f"{namespace}/workers"}))
    async with leader(cluster, namespace, gone_after=GONE_AFTER) as leading:
        await until_async("four agents in the cache", lambda: len(leading.knowledge.agents()) == 4)
        api.delete(lead)
        again = api.create(agent(namespace, "lead"))
        fresh = api.create(spawned(namespace, "fresh", again))
        began = time.monotonic()
        await until_async(
            "both agents to be deleted", lambda: api.is_gone(near) and api.is_gone(far)
        )
        assert time.monotonic() - began >= GONE_AFTER - 0.1
        await until_async("the child to be deleted", lambda: api.is_gone(child))
        assert not api.is_gone(fresh)
        await until_async(
            "three causes OrchestratorGone", lambda: leading.causes == ["OrchestratorGone"] * 3
        )
        await until_async(
            "the Event OrchestratorGone",
            lambda: {one for one, *_ in events(api, elsewhere)} == {"OrchestratorGone"},
        )


async def test_agents_end_with_the_account_that_spawned_them(
    cluster: Cluster, namespace: str, elsewhere: str
) -> None:
    api = cluster.api
    manifest = account_manifest(namespace, "tools")
    account = api.create(manifest)
    other = api.create(account_manifest(namespace, "other"))
    child = api.create(spawned(elsewhere, "child", account))
    orphan = api.create(spawned(elsewhere, "orphan", other))
    async with leader(cluster, namespace, gone_after=GONE_AFTER) as leading:
        await until_async("fresh knowledge", leading.knowledge.fresh)
        api.delete(other)
        await until_async(
            "the child of the other account to be deleted", lambda: api.is_gone(orphan)
        )
        assert not api.is_gone(child)
        api.delete(account)
        api.create(manifest)
        await until_async("the child to be deleted", lambda: api.is_gone(child))
        await until_async(
            "two causes OrchestratorGone", lambda: leading.causes == ["OrchestratorGone"] * 2
        )


async def test_an_agent_that_has_the_name_of_another_is_not_deleted(
    cluster: Cluster, namespace: str, lead: Object, proxy: Proxy
) -> None:
    """What is deleted is what was looked at: the watch of the leader is behind."""
    api = cluster.api
    victim = api.create(spawned(namespace, "worker", lead, seconds=10))
    expires = read_time(victim["metadata"]["annotations"][EXPIRES])
    assert expires is not None
    access = cluster.access
    kubeconfig = type(access)(
        proxy.url, access.authority, certificate=access.certificate
    ).write_kubeconfig(cluster.folder / f"{namespace}.kubeconfig")
    async with leader(cluster, namespace, kubeconfig=kubeconfig) as leading:
        await until_async("two agents in the cache", lambda: len(leading.knowledge.agents()) == 2)
        proxy.black_hole()
        api.delete(victim)
        api.create(agent(namespace, "worker"))
        await until_async(
            "the time of expiry to pass", lambda: time.time() > expires.timestamp() + 1.0
        )
        proxy.heal()
        await until_async(
            "the worker without a stamp to be in the cache",
            lambda: any(
                one.name == "worker" and not one.stamped for one in leading.knowledge.agents()
            ),
        )
        await never(leading, api, namespace, {"lead", "worker"})


async def test_many_at_once_and_a_leader_that_ends_in_the_middle(
    cluster: Cluster, namespace: str, lead: Object
) -> None:
    api, count = cluster.api, 200
    api.create_all(spawned(namespace, f"worker-{i}", lead, seconds=-1) for i in range(count))
    counts = []
    for share in (0.7, 0.3, 0.0):
        async with leader(cluster, namespace) as leading:
            await until_async(
                "the share of agents to be deleted",
                lambda share=share: len(names(api, namespace)) - 1 <= share * count,
            )
            if not share:
                # Of the last ones it may not have heard yet.
                await until_async(
                    "the count of deletions",
                    lambda: sum(counts) + len(leading.causes) >= count - 2 * 8,
                )
            counts.append(len(leading.causes))
    assert names(api, namespace) == {"lead"}
    # What a leader that ended had sent was counted by nobody, and none is counted twice.
    assert count - 2 * 8 <= sum(counts) <= count


async def test_failed_deletion_is_reported_and_retried(
    cluster: Cluster, namespace: str, lead: Object
) -> None:
    api = cluster.api
    account = make_account(
        cluster,
        namespace,
        "controller",
        cluster_rules=[
            rule("kagent.dev", "agents", "get list watch"),
            rule("hotpeers.dev", "spawnpolicies", "list watch"),
            rule("hotpeers.dev", "spawnpolicies/status", "patch"),
            rule("admissionregistration.k8s.io", "*", "list watch patch"),
            rule("", "configmaps events", "*"),
            rule("coordination.k8s.io", "leases", "get"),
        ],
    )
    api.create(spawned(namespace, "worker", lead, seconds=-1))
    async with leader(cluster, namespace, kubeconfig=account.kubeconfig()) as leading:
        await until_async("the problem Forbidden", lambda: leading.reasons() == {"Forbidden"})
        (problem,) = leading.duties.problems()
        assert problem.where == f"Agent/{namespace}/worker"
        account.bind([rule("kagent.dev", "agents", "delete")], namespace)
        await until_async("only the lead to be left", lambda: names(api, namespace) == {"lead"})
        await until_async("no problems", lambda: leading.reasons() == set())


async def test_deleted_agents_free_their_slots_and_then_the_ledger(
    cluster: Cluster, namespace: str, lead: Object
) -> None:
    api, key = cluster.api, f"{namespace}/workers"

    def allow(_: object) -> Decision:
        return Decision(allowed=True, policy=key)

    async with leader(cluster, namespace, gone_after=GONE_AFTER) as leading:
        await leading.reservations.admit([key], f"{namespace}/worker", allow)
        worker = api.create(spawned(namespace, "worker", lead))

        async def alive(expected: int) -> None:
            async with asyncio.timeout(60.0):
                while (
                    found := await leading.reservations.counts(key)
                ) is None or found.alive != expected:
                    await asyncio.sleep(0.05)

        await alive(1)
        path = f"/api/v1/namespaces/{namespace}/configmaps/{ledger_name(key)}"

        def is_seen() -> bool:
            kept = read(api, path)
            assert kept is not None
            return not read_ledger(kept["data"]["ledger"]).slots[f"{namespace}/worker"].pending

        # Else its slot would be held for who is still about to be made.
        await until_async("the slot to be no longer pending", is_seen)
        api.delete(worker)
        await alive(0)
        api.delete(spawn_policy(namespace))
        await until_async("the agent to be deleted", lambda: read(api, path) is None)


async def test_a_ledger_that_cannot_be_read_holds_up_no_other(
    cluster: Cluster, namespace: str
) -> None:
    api = cluster.api
    broken = ledger_name(f"{namespace}/workers")
    metadata = {"name": broken, "namespace": namespace, "labels": {"hotpeers.dev/ledger": "true"}}
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    others = [f"{namespace}/{name}" for name in ("after", "zlast")]
    for key in others:
        api.create(spawn_policy(namespace, key.partition("/")[2], deletionPolicy="Retain"))
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    async with leader(cluster, namespace):
        await until_async(
            "the ledgers of the others",
            lambda: all(read(api, f"{maps}/{ledger_name(key)}") for key in others),
        )
        found = read(api, f"{maps}/{broken}")
        assert found is not None
        assert "data" not in found


async def test_what_is_not_known_ends_nothing(
    cluster: Cluster, namespace: str, lead: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Policies that may not be listed are not policies that are gone."""
    looks = count_calls(monkeypatch, Knowledge, "fresh")
    api = cluster.api
    account = make_account(
        cluster,
        namespace,
        "controller",
        cluster_rules=[rule("kagent.dev", "agents", "*"), rule("", "configmaps events", "*")],
    )
    api.create(spawned(namespace, "worker", lead))
    api.create(spawned(namespace, "expired", lead, seconds=-1))
    async with leader(
        cluster, namespace, kubeconfig=account.kubeconfig(), gone_after=0.5
    ) as leading:
        await until_async("three agents in the cache", lambda: len(leading.knowledge.agents()) == 3)
        before = looks.count
        # Every duty asks, some once a second: more than the half second after which a policy is gone.
        await until_async(
            "thirty questions for fresh knowledge", lambda: looks.count >= before + 30
        )
        assert not leading.knowledge.fresh()
        assert names(api, namespace) == {"lead", "worker", "expired"}


async def test_deletion_in_the_foreground_ends(
    cluster: Cluster, namespace: str, lead: Object
) -> None:
    """Nobody collects garbage here: the finalizer would stay for ever, as with a kagent that is quick."""
    api = cluster.api
    made = api.create(spawned(namespace, "worker", lead))
    by_hand = api.create(agent(namespace, "by-hand"))
    foreground = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"}
    for one in (made, by_hand):
        api.request("DELETE", f"{api.path(one)}", foreground)
        left = api.request("GET", api.path(one))["metadata"]
        assert left["finalizers"] == ["foregroundDeletion"]

    async with leader(cluster, namespace):
        await until_async("the agent to be deleted", lambda: api.is_gone(made))
    # What people made is theirs.
    assert api.request("GET", api.path(by_hand))
    api.request("PATCH", api.path(by_hand), {"metadata": {"finalizers": None}}, content_type=MERGE)
