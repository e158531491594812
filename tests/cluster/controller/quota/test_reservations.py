"""Counts of SpawnPolicies over several replicas, on a real API server."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from hotpeers.controller.quota.ledger import LastDenial, Ledger, Slot
from hotpeers.controller.quota.ledger_text import read_ledger, written
from hotpeers.controller.quota.reservations import CountsError, Reservations, Timing
from hotpeers.controller.reasons import ControllerReason
from hotpeers.kube.client import Client
from hotpeers.kube.reasons import KubeReason
from hotpeers.spawnpolicy.decision import Decision
from hotpeers.spawnpolicy.reasons import PolicyReason
from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.client import Object
from kit.apiserver.proxy import Proxy
from kit.apiserver.server import Cluster
from kit.controller.admitting import LEASE, POLICY, ledger_path, spawned, under
from kit.controller.scene import client_of, read, running
from kit.spawning import policy
from kit.waiting import until_async

ROOT = Path(__file__).parents[4]
# A slot that no agent uses is held for longer than any test takes,
QUICK = Timing(hold=600.0, bound=60.0, settle_pause=0.05, flush=0.1)
# or longer than what must be done before its end is tried,
HOLDING = replace(QUICK, hold=8.0)
# or for no longer than it has to be.
BRIEF = replace(QUICK, hold=1.0)


@pytest.fixture
async def clients(cluster: Cluster, crds: list[str]) -> AsyncIterator[list[Client]]:
    """Those of two replicas."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(client_of(cluster.kubeconfig)) for _ in range(2)]


@pytest.fixture
def replicas(clients: list[Client], namespace: str) -> list[Reservations]:
    return [Reservations(client, namespace, LEASE, timing=QUICK) for client in clients]


def kept(cluster: Cluster, namespace: str) -> Ledger:
    found = read(cluster.api, ledger_path(namespace))
    assert found is not None
    return read_ledger(found["data"]["ledger"])


def lost(cluster: Cluster, namespace: str) -> None:
    cluster.api.request("DELETE", ledger_path(namespace))


async def refusal(reservations: Reservations, agent: str, limit: int = 10) -> CountsError:
    with pytest.raises(CountsError) as caught:
        await reservations.admit([POLICY], agent, under(limit))
    assert "\n" not in str(caught.value)
    return caught.value


def allowed(decisions: list[Decision]) -> int:
    return sum(one.allowed for one in decisions)


async def test_two_hundred_at_once_over_two_replicas_get_ten(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    decisions = await asyncio.gather(
        *(replicas[i % 2].admit([POLICY], f"{namespace}/a{i}", under(10)) for i in range(200))
    )
    assert allowed(decisions) == 10
    ledger = kept(cluster, namespace)
    assert ledger.slots.keys() == {
        f"{namespace}/a{i}" for i, decision in enumerate(decisions) if decision.allowed
    }
    assert ledger.admissions == len(ledger.created) == 10
    refused = next(one for one in decisions if not one.allowed)
    assert [one.reason for one in refused.denials] == [PolicyReason.TOO_MANY_AGENTS]


async def test_rate_is_exact_over_two_replicas(
    replicas: list[Reservations], namespace: str
) -> None:
    numbers, window = count(), 10.0

    async def burst() -> int:
        return allowed(
            await asyncio.gather(
                *(
                    one.admit([POLICY], f"{namespace}/a{next(numbers)}", under(10_000, 7, window))
                    for one in replicas * 20
                )
            )
        )

    begun = time.monotonic()
    assert await burst() == 7
    done = time.monotonic()
    while time.monotonic() - begun < 3.0:
        assert await burst() == 0
    await until_async("the window to pass", lambda: time.monotonic() - done > window + 1.0)
    assert await burst() == 7


async def test_repeated_admissions_of_one_name_use_one_slot(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    """And each admission of it counts: a name that comes and goes must not be free."""
    agent = f"{namespace}/same"
    decisions = await asyncio.gather(
        *(one.admit([POLICY], agent, under(1)) for one in replicas * 3)
    )
    assert allowed(decisions) == 6
    assert len(kept(cluster, namespace).created) == 6
    assert not (await replicas[0].admit([POLICY], f"{namespace}/other", under(1))).allowed


async def test_dry_run_takes_no_slot_and_has_the_same_limit(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    first, second = replicas
    for _ in range(3):
        assert (await first.admit([POLICY], f"{namespace}/a", under(1), dry_run=True)).allowed
    assert not kept(cluster, namespace).slots
    assert (await second.admit([POLICY], f"{namespace}/b", under(1))).allowed
    assert not (await first.admit([POLICY], f"{namespace}/a", under(1), dry_run=True)).allowed


async def test_denied_agent_takes_no_slot(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    no = Decision(allowed=False, policy=POLICY)
    assert await replicas[0].admit([POLICY], f"{namespace}/a", lambda _: no) == no
    assert not kept(cluster, namespace).slots


async def test_fault_in_one_decision_does_not_affect_others(
    replicas: list[Reservations], namespace: str
) -> None:
    def broken(_: Any) -> Decision:
        raise ZeroDivisionError

    bad = replicas[0].admit([POLICY], f"{namespace}/bad", broken)
    good = replicas[0].admit([POLICY], f"{namespace}/good", under(1))
    first, second = await asyncio.gather(bad, good, return_exceptions=True)
    assert isinstance(first, ZeroDivisionError)
    assert isinstance(second, Decision)
    assert second.allowed


async def test_admission_counts_for_the_deciding_policy(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    other = "team/other"
    both = [POLICY, other]
    tasks = [
        one.admit(keys, f"{namespace}/{key.replace('/', '-')}-{i}", under(3, policy=key))
        for i, one in enumerate(replicas * 5)
        for key in both
        for keys in (both, [key])
    ]
    assert allowed(await asyncio.gather(*tasks)) >= 6
    for key in both:
        found = read(cluster.api, ledger_path(namespace, key))
        assert found is not None
        assert len(read_ledger(found["data"]["ledger"]).slots) == 3
    assert await replicas[0].keys() == set(both)
    strange = under(3, policy="team/strange")
    with pytest.raises(CountsError, match="the counts of team/strange were not read"):
        await replicas[0].admit(both, f"{namespace}/x", strange)


async def test_slot_of_a_replica_that_was_killed_is_free_after_the_hold(
    clients: list[Client], cluster: Cluster, namespace: str
) -> None:
    command = [sys.executable, "-m", "kit.controller.admitting"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *(str(cluster.kubeconfig), namespace, f"{namespace}/dead"),
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join([str(ROOT / "tests"), *filter(None, sys.path)])},
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"written\n"
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    first = Reservations(clients[0], namespace, LEASE, timing=HOLDING)
    agent = f"{namespace}/next"
    assert not (await first.admit([POLICY], agent, under(1))).allowed
    at = kept(cluster, namespace).slots[f"{namespace}/dead"].at
    # The slot that nobody uses is found by whoever would be refused.
    while not (await first.admit([POLICY], agent, under(1))).allowed:
        assert time.time() < at + 60
    assert time.time() > at + HOLDING.hold
    assert kept(cluster, namespace).slots.keys() == {agent}


async def test_slot_of_an_agent_that_was_seen_is_free_once_it_is_gone(
    replicas: list[Reservations], cluster: Cluster, namespace: str, clients: list[Client]
) -> None:
    slow = Timing(hold=1000.0, settle_pause=0.0)
    first, second = (Reservations(one, namespace, LEASE, timing=slow) for one in clients)
    assert (await first.admit([POLICY], f"{namespace}/a", under(1))).allowed
    assert await second.settle(POLICY) == 0
    assert kept(cluster, namespace).slots[f"{namespace}/a"].pending == ("",)
    manifest = spawned(namespace, "a")
    cluster.api.create(manifest)
    assert not (await first.admit([POLICY], f"{namespace}/b", under(1))).allowed
    assert kept(cluster, namespace).slots[f"{namespace}/a"].pending == ()
    cluster.api.delete(manifest)
    assert (await first.admit([POLICY], f"{namespace}/b", under(1))).allowed


async def test_agent_that_is_created_after_the_look_keeps_its_slot_though_the_hold_ends_meanwhile(
    replicas: list[Reservations], cluster: Cluster, namespace: str, clients: list[Client]
) -> None:
    ahead = [0.0]

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=ahead[0])

    one = Reservations(clients[0], namespace, LEASE, timing=QUICK, clock=clock)
    assert (await one.admit([POLICY], f"{namespace}/a", under(1))).allowed

    async def slow_read(_: str, name: str) -> None:
        cluster.api.create(spawned(namespace, name))
        ahead[0] = QUICK.hold + 10

    assert await one.settle(POLICY, slow_read) == 0
    assert kept(cluster, namespace).slots.keys() == {f"{namespace}/a"}


async def test_agent_of_the_name_without_the_stamp_frees_the_slot(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    first = replicas[0]
    for name in ("a", "b"):
        await first.admit([POLICY], f"{namespace}/{name}", under(2))
    for name in ("a", "b"):
        cluster.api.create(spawned(namespace, name))
    assert await first.settle(POLICY) == 0
    # The same object stays what it was, whatever becomes of its stamps.
    plain: Object = {"metadata": {"annotations": {"hotpeers.dev/policy": None}}}
    cluster.api.patch(spawned(namespace, "a"), plain)
    cluster.api.delete(spawned(namespace, "b"))
    cluster.api.create(spawned(namespace, "b", "team/another"))
    assert await first.settle(POLICY) == 1
    assert kept(cluster, namespace).slots.keys() == {f"{namespace}/a"}


async def test_settling_reads_only_doubtful_agents(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    first = replicas[0]
    for name in ("a", "b", "c"):
        await first.admit([POLICY], f"{namespace}/{name}", under(9))
        cluster.api.create(spawned(namespace, name))
    await first.settle(POLICY)
    by_hand = spawned(namespace, "by-hand")
    cluster.api.create(by_hand)
    cluster.api.delete(spawned(namespace, "b"))
    looked: list[str] = []

    async def live_read(where: str, name: str) -> Any:
        looked.append(name)
        return read(cluster.api, cluster.api.path(spawned(where, name)))

    shown = {f"{namespace}/{name}": True for name in ("a", "c", "by-hand")}
    forged = {f"{namespace}/forged": False}
    assert await first.settle(POLICY, live_read, {**shown, **forged}) == 1
    assert sorted(looked) == ["b", "by-hand"]
    assert kept(cluster, namespace).slots.keys() == set(shown)


async def test_agent_that_is_created_and_deleted_at_once_holds_no_slot(
    cluster: Cluster, namespace: str, clients: list[Client]
) -> None:
    """Its slot was held for 67 s, in which a full policy admitted nothing."""
    gone: dict[str, tuple[str, ...]] = {}
    slow = Timing(hold=1000.0, bound=60.0, settle_pause=1000.0)
    first, second = (
        Reservations(one, namespace, LEASE, departed=lambda _: gone, timing=slow) for one in clients
    )
    agent = f"{namespace}/a"
    assert (await first.admit([POLICY], agent, under(1), uid="11111111-a")).allowed
    assert not (await second.admit([POLICY], f"{namespace}/b", under(1))).allowed
    gone[agent] = ("11111111-a",)
    assert (await second.admit([POLICY], f"{namespace}/b", under(1), uid="22222222-b")).allowed
    assert kept(cluster, namespace).slots.keys() == {f"{namespace}/b"}
    # What is known to be gone frees nothing of one that comes after it.
    gone[f"{namespace}/b"] = ("33333333-c",)
    assert not (await first.admit([POLICY], agent, under(1))).allowed


async def test_forged_agents_do_not_count_when_a_ledger_is_rebuilt(
    cluster: Cluster, namespace: str, clients: list[Client]
) -> None:
    place = POLICY.partition("/")[0]
    known = policy("workers", subjects=[{"kind": "ServiceAccount", "name": "lead"}])
    known = known.model_copy(update={"name": POLICY.partition("/")[2], "namespace": place})
    spec = known.spec.model_copy(update={"targetNamespaces": (namespace,)})
    known = known.model_copy(update={"spec": spec})
    reservations = Reservations(clients[0], namespace, LEASE, policy=lambda _: known, timing=QUICK)
    cluster.api.create(spawned(namespace, "real"))
    for number, (key, value) in enumerate(
        {
            "spawned-by-serviceaccount": f"{namespace}/tenant",
            "spawned-by-uid": None,
            "depth": "2",
            "spawned-by": f"{place}/lead",
        }.items()
    ):
        forged = spawned(namespace, f"forged-{number}")
        forged["metadata"]["annotations"][f"hotpeers.dev/{key}"] = value
        cluster.api.create(forged)
    error = await refusal(reservations, f"{namespace}/new")
    assert error.reason is ControllerReason.LEDGER_LOST
    assert kept(cluster, namespace).slots.keys() == {f"{namespace}/real"}


async def test_settling_without_agents_creates_no_ledger(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    assert await replicas[0].settle(POLICY) == 0
    assert await replicas[0].counts(POLICY) is None
    await replicas[0].set_deletion_policy(POLICY, "Delete")
    assert read(cluster.api, ledger_path(namespace)) is None


async def test_lost_ledger_is_rebuilt_before_anything_is_admitted(
    clients: list[Client], cluster: Cluster, namespace: str
) -> None:
    replicas = [Reservations(one, namespace, LEASE, timing=HOLDING) for one in clients]
    first, second = replicas
    for name in ("a", "b", "flying"):
        assert (await first.admit([POLICY], f"{namespace}/{name}", under(4))).allowed
    for name in ("a", "b"):
        cluster.api.create(spawned(namespace, name))
    lost(cluster, namespace)
    # Neither the one that knew it nor the other admits while a request may be on its way.
    error = await refusal(second, f"{namespace}/c", 4)
    assert error.reason is ControllerReason.LEDGER_LOST
    assert "was lost" in str(error)
    assert (await refusal(first, f"{namespace}/c", 4)).reason is ControllerReason.LEDGER_LOST
    assert [one.reason for one in first.problems()] == [ControllerReason.LEDGER_LOST]
    cluster.api.create(spawned(namespace, "flying"))
    held = kept(cluster, namespace).held
    await until_async("the hold to run out", lambda: time.time() > held)
    decisions = await asyncio.gather(
        *(replicas[i % 2].admit([POLICY], f"{namespace}/n{i}", under(4)) for i in range(10))
    )
    assert allowed(decisions) == 1
    assert kept(cluster, namespace).slots.keys() >= {
        f"{namespace}/{x}" for x in ("a", "b", "flying")
    }
    assert first.problems() == ()


async def test_admitted_agent_is_remembered_after_the_ledger_is_lost(
    clients: list[Client], cluster: Cluster, namespace: str
) -> None:
    first = Reservations(clients[0], namespace, LEASE, timing=BRIEF)
    for _ in range(2):
        await first.admit([POLICY], f"{namespace}/flying", under(1))
        lost(cluster, namespace)
        assert (await refusal(first, f"{namespace}/b", 1)).reason is ControllerReason.LEDGER_LOST
        assert f"{namespace}/flying" in kept(cluster, namespace).slots
        held = kept(cluster, namespace).held
        await until_async("the hold to run out", lambda moment=held: time.time() > moment)


async def test_ledger_lost_between_reading_and_writing_is_seen(
    cluster: Cluster, namespace: str, clients: list[Client]
) -> None:
    reservations = Reservations(clients[0], namespace, LEASE, timing=QUICK)
    await reservations.admit([POLICY], f"{namespace}/a", under(9))

    deletions = iter([lost])

    def decide(usage: Any) -> Decision:
        for delete in deletions:
            delete(cluster, namespace)
        return under(9)(usage)

    with pytest.raises(CountsError, match="was lost"):
        await reservations.admit([POLICY], f"{namespace}/b", decide)
    assert kept(cluster, namespace).slots.keys() == {f"{namespace}/a"}


@pytest.mark.parametrize(
    "text",
    ["", "garbage", "{}", written(Ledger("team/another")), "[" * 1000, None],
    ids=["empty", "garbage", "object", "another", "deep", "no data"],
)
async def test_unreadable_ledger_admits_no_agent_and_is_kept(
    text: str | None, replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    first = replicas[0]
    await first.admit([POLICY], f"{namespace}/a", under(9))
    found = read(cluster.api, ledger_path(namespace))
    assert found is not None
    bad = cluster.api.patch(found, {"data": None if text is None else {"ledger": text}})
    # Also the replica that remembers what it was.
    for one in replicas:
        error = await refusal(one, f"{namespace}/b")
        assert error.reason is ControllerReason.LEDGER_BAD
        assert "delete it to have it rebuilt" in str(error)
        assert [problem.reason for problem in one.problems()] == [ControllerReason.LEDGER_BAD]
    assert await first.every() == {}
    assert await first.keys() == {POLICY}
    again = read(cluster.api, ledger_path(namespace))
    assert again is not None
    assert again["metadata"]["resourceVersion"] == bad["metadata"]["resourceVersion"]


async def test_constant_conflicting_writes_do_not_break_counts(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    await replicas[0].admit([POLICY], f"{namespace}/first", under(10))
    done = asyncio.Event()
    writes = 0

    def write(number: int) -> None:
        found = read(cluster.api, ledger_path(namespace))
        assert found is not None
        change: Object = {"metadata": {"annotations": {"third": str(number)}}}
        cluster.api.patch(found, change)

    async def third() -> None:
        nonlocal writes
        while not done.is_set():
            await asyncio.to_thread(write, writes)
            writes += 1

    async with running(third()):
        decisions = await asyncio.gather(
            *(replicas[i % 2].admit([POLICY], f"{namespace}/a{i}", under(10)) for i in range(60))
        )
        for i in range(500):
            await replicas[i % 2].admit([POLICY], f"{namespace}/b{i}", under(10))
            # How fast the other one writes is the machine's matter.
            if i >= 20 and writes > 20:
                break
        done.set()
    assert allowed(decisions) == 9
    assert writes > 20
    ledger = kept(cluster, namespace)
    assert len(ledger.slots) == 10
    found = read(cluster.api, ledger_path(namespace))
    assert found is not None
    assert "third" in found["metadata"]["annotations"]


async def test_outdated_memory_denies_no_agent(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    first, second = replicas
    await first.admit([POLICY], f"{namespace}/a", under(1))
    cluster.api.create(spawned(namespace, "a"))
    await second.settle(POLICY)
    assert not (await first.admit([POLICY], f"{namespace}/b", under(1))).allowed
    cluster.api.delete(spawned(namespace, "a"))
    assert await second.settle(POLICY) == 1
    assert (await first.admit([POLICY], f"{namespace}/b", under(1))).allowed


async def test_replicas_started_together_create_one_ledger(
    cluster: Cluster, namespace: str, clients: list[Client]
) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": LEASE, "namespace": namespace},
    }
    uid = cluster.api.create(lease)["metadata"]["uid"]
    # Their agents are never made: no slot may be free again while a busy machine gets through all.
    held = Timing(hold=1000.0, bound=10.0)
    many = [Reservations(clients[i % 2], namespace, LEASE, timing=held) for i in range(8)]
    decisions = await asyncio.gather(
        *(one.admit([POLICY], f"{namespace}/a{i}", under(3)) for i, one in enumerate(many))
    )
    assert allowed(decisions) == 3
    found = read(cluster.api, ledger_path(namespace))
    assert found is not None
    metadata = found["metadata"]
    assert metadata["labels"]["hotpeers.dev/ledger"] == "true"
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Lease", LEASE, uid)
    assert len(kept(cluster, namespace).slots) == 3


@pytest.mark.parametrize("ahead", [30, 3600])
async def test_clock_of_another_replica(
    ahead: int, cluster: Cluster, namespace: str, clients: list[Client]
) -> None:
    """A little ahead is the time from then on; far ahead is somebody's mistake."""
    early = Reservations(
        clients[0],
        namespace,
        LEASE,
        timing=QUICK,
        clock=lambda: datetime.now(UTC) + timedelta(seconds=ahead),
    )
    assert (await early.admit([POLICY], f"{namespace}/a", under(9))).allowed
    late = Reservations(clients[1], namespace, LEASE, timing=QUICK)
    if ahead > 60:
        assert (await refusal(late, f"{namespace}/b")).reason is ControllerReason.LEDGER_AHEAD
        return
    assert (await late.admit([POLICY], f"{namespace}/b", under(9))).allowed
    first, second = kept(cluster, namespace).created
    assert second >= first > time.time() + 20


async def test_no_agent_is_admitted_without_rights_or_server(
    cluster: Cluster, namespace: str, crds: list[str], proxy: Proxy, service_account: Any
) -> None:
    rules = [rule("", "configmaps", "get list watch create update delete")]
    account: ServiceAccount = service_account(namespace, "counts", rules)
    bound = 3.0
    async with client_of(account.kubeconfig(proxy.url)) as client:
        reservations = Reservations(client, namespace, LEASE, timing=QUICK)
        error = await refusal(reservations, f"{namespace}/a")
        assert error.reason is KubeReason.FORBIDDEN
        assert read(cluster.api, ledger_path(namespace)) is None
        proxy.black_hole()
        short = Reservations(client, namespace, LEASE, timing=Timing(bound=bound))
        async with asyncio.timeout(5 * bound):
            error = await refusal(short, f"{namespace}/a")
        assert error.reason in (ControllerReason.COUNTS_BUSY, KubeReason.API_UNREACHABLE)
        proxy.heal()
        proxy.refuse()
        assert (await refusal(reservations, f"{namespace}/a")).reason is KubeReason.API_UNREACHABLE


async def test_lost_answer_does_not_admit_an_agent_twice(
    cluster: Cluster, namespace: str, proxy: Proxy, clients: list[Client], tmp_path: Path
) -> None:
    config = json.loads(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = proxy.url
    through = tmp_path / "kubeconfig"
    through.write_text(json.dumps(config))
    second = Reservations(clients[0], namespace, LEASE, timing=QUICK)
    async with client_of(through) as cut:
        first = Reservations(cut, namespace, LEASE, timing=Timing(bound=5.0))
        assert (await first.admit([POLICY], f"{namespace}/a", under(9))).allowed

        def decide(usage: Any) -> Decision:
            proxy.black_hole()
            return under(9)(usage)

        with pytest.raises(CountsError):
            await first.admit([POLICY], f"{namespace}/b", decide)
        proxy.heal()
        assert (await first.admit([POLICY], f"{namespace}/c", under(9))).allowed
        assert (await second.admit([POLICY], f"{namespace}/d", under(9))).allowed
    names = {one.rpartition("/")[2] for one in kept(cluster, namespace).slots}
    assert names - {"b"} == {"a", "c", "d"}


def last(second: int, reason: str = "TooDeep") -> LastDenial:
    return LastDenial(f"2026-11-01T12:00:{second:02d}Z", "team/lead", reason=reason)


async def test_denials_are_written_together(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    first, second = replicas
    async with running(first.run(), second.run()):
        for number in range(10):
            replicas[number % 2].note_denial(POLICY, last(number))
        await until_async("the ledger", lambda: read(cluster.api, ledger_path(namespace)))
        await until_async(
            "ten denials in the ledger", lambda: kept(cluster, namespace).denials == 10
        )
        counts = await first.counts(POLICY)
        assert counts is not None
        assert (counts.denials, counts.last_denial) == (10, last(9))
        assert (await second.every())[POLICY].denials == 10
    assert kept(cluster, namespace).admissions == 0


async def test_denials_go_with_an_admission(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    replicas[0].note_denial(POLICY, last(1))
    await replicas[0].admit([POLICY], f"{namespace}/a", under(1))
    assert kept(cluster, namespace).denials == 1
    counts = await replicas[1].counts(POLICY)
    assert counts is not None
    assert (counts.alive, len(counts.created), counts.deletion_policy) == (1, 1, "Delete")


async def test_deletion_policy_is_remembered(replicas: list[Reservations], namespace: str) -> None:
    first, second = replicas
    await first.set_deletion_policy(POLICY, "Retain")
    await second.admit([POLICY], f"{namespace}/a", under(1))
    counts = await first.counts(POLICY)
    assert counts is not None
    assert (counts.deletion_policy, counts.alive) == ("Retain", 1)
    await second.set_deletion_policy(POLICY, "Delete")
    counts = await first.counts(POLICY)
    assert counts is not None
    assert counts.deletion_policy == "Delete"


async def test_empty_ledger_is_deleted(
    clients: list[Client], cluster: Cluster, namespace: str
) -> None:
    replicas = [Reservations(one, namespace, LEASE, timing=BRIEF) for one in clients]
    first = replicas[0]
    for one in replicas:
        await one.admit([POLICY], f"{namespace}/a", under(1))
    assert not await first.forget(POLICY)
    at = kept(cluster, namespace).clock
    await until_async("the hold to run out", lambda: time.time() > at + BRIEF.hold)
    assert await first.settle(POLICY) == 1
    assert kept(cluster, namespace).slots == {}
    assert await first.forget(POLICY)
    assert await first.keys() == frozenset()
    assert await first.forget(POLICY)
    # A policy of that name that comes again begins anew, also where others had known the old one.
    second = replicas[1]
    assert (await second.admit([POLICY], f"{namespace}/b", under(1))).allowed
    assert kept(cluster, namespace).slots.keys() == {f"{namespace}/b"}


async def test_ledger_that_was_lost_is_not_forgotten_before_its_hold_is_over(
    replicas: list[Reservations], cluster: Cluster, namespace: str
) -> None:
    first, manifest = replicas[0], spawned(namespace, "a")
    await first.admit([POLICY], f"{namespace}/a", under(1))
    cluster.api.create(manifest)
    await first.settle(POLICY)
    cluster.api.delete(manifest)
    assert await first.settle(POLICY) == 1
    lost(cluster, namespace)
    await first.settle(POLICY)
    # Another replica may have admitted what nobody here has heard of.
    ledger = kept(cluster, namespace)
    assert (dict(ledger.slots), ledger.held > time.time()) == ({}, True)
    assert not await first.forget(POLICY)
    assert kept(cluster, namespace) == ledger


async def test_policy_that_is_full_of_many_is_looked_through(
    cluster: Cluster, namespace: str, clients: list[Client], replicas: list[Reservations]
) -> None:
    await replicas[0].set_deletion_policy(POLICY, "Retain")
    slots = {f"{namespace}/gone-{number}": Slot(number) for number in range(600)}
    found = read(cluster.api, ledger_path(namespace))
    assert found is not None
    text = written(Ledger(POLICY, slots, admissions=600))
    cluster.api.patch(found, {"data": {"ledger": text}})
    freed = [await replicas[0].settle(POLICY) for _ in range(4)]
    assert sum(freed) == 600
    assert max(freed) < 600
