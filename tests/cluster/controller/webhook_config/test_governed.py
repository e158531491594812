"""Keeping whom the API server sends to the guard, on a real one."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from hotpeers.base.errors import GovernError
from hotpeers.controller.election import LeaderClient
from hotpeers.controller.reasons import ControllerReason
from hotpeers.controller.webhook_config.accounts import Governed
from hotpeers.controller.webhook_config.matching import Patience, asking_patch, read_asking
from hotpeers.spawnpolicy.governed import MOST_CHARS, Account, fitted
from kit.apiserver.client import Api, Object
from kit.apiserver.processes import Process
from kit.apiserver.server import Cluster
from kit.controller.guarding import (
    PATHS,
    annotated,
    configurations,
    is_sent,
    listed,
    manifests,
    sent,
    user_of,
)
from kit.controller.scene import client_of, running
from kit.waiting import until_async

QUICK = Patience(grace=1.5, linger=0.5)
PATIENT = Patience()


@dataclass
class Subjects:
    """Whom the cluster would name."""

    accounts: set[Account] = field(default_factory=set)
    known: bool = True

    def governed(self) -> frozenset[Account]:
        return frozenset(self.accounts)

    def fresh(self) -> bool:
        return self.known


@pytest.fixture
def name(cluster: Cluster, namespace: str) -> Iterator[str]:
    """The name of both configurations, which exist."""
    with configurations(cluster.api, f"guard-{namespace}"):
        yield f"guard-{namespace}"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """How fast an API server writes is the machine's matter, as long as it answers."""
    bound_of(monkeypatch, 30.0)


def bound_of(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    for module in ("configuration", "accounts"):
        monkeypatch.setattr(f"hotpeers.controller.webhook_config.{module}.BOUND_SECONDS", seconds)


@asynccontextmanager
async def keeping(
    cluster: Cluster,
    name: str,
    subjects: Subjects,
    patience: Patience = PATIENT,
    *,
    lead: bool = False,
) -> AsyncIterator[Governed]:
    async with client_of(cluster.kubeconfig) as client:
        governed = Governed(client, name, subjects, patience)
        works = [governed.run()]
        if lead:
            works.append(governed.lead(LeaderClient(client, lambda: True)))
        async with running(*works):
            yield governed


def edit(api: Api, path: str, *operations: Object) -> None:
    api.request("PATCH", path, list(operations), content_type="application/json-patch+json")


def take_out(api: Api, name: str, accounts: set[Account]) -> None:
    """What a leader does, at once."""
    for path in PATHS:
        found = read_asking(api.request("GET", f"{path}/{name}"))
        edit(api, f"{path}/{name}", *asking_patch(found, frozenset(accounts), frozenset()))


async def test_without_rules_nobody_is_sent_and_with_them_exactly_the_governed_are(
    cluster: Cluster, namespace: str, name: str
) -> None:
    a = (namespace, "a")
    assert not is_sent(cluster.api, user_of(a), namespace)
    subjects = Subjects({a})
    async with keeping(cluster, name, subjects) as governed:
        await until_async("the account to be governed", lambda: governed.holds([a]))
        await until_async(
            "requests of the account to be sent",
            lambda: is_sent(cluster.api, user_of(a), namespace),
        )
        assert listed(cluster.api, name) == {a}
        assert governed.count == 1
        assert governed.problems() == ()
        strangers = [
            "admin",
            "system:serviceaccount:",
            "system:serviceaccount:a",
            "a",
            f"{namespace}:a",
            f"|{namespace}:a|",
            f"{user_of(a)}|{namespace}:b",
            f"{user_of(a)}|",
            f"system:serviceaccount:|{namespace}:a",
            f"system:serviceaccount:system:serviceaccount:{namespace}:a",
            f"{user_of(a)}b",
            user_of((namespace, "b")),
            user_of((f"x{namespace}", "a")),
        ]
        assert [one for one in strangers if is_sent(cluster.api, one, namespace)] == []


async def test_exact_with_accounts_for_several_conditions(
    cluster: Cluster, namespace: str, name: str
) -> None:
    ends = ("", "-", ".", "x", "-a")
    inside = {(f"{namespace}{'-a' * (i % 2)}", f"agent-{i:03}{'.b' * (i % 3)}") for i in range(900)}
    rng = random.Random(6)
    near = {
        (place, one[:-1] if not end else f"{one}{end}0")
        for place, one in rng.sample(sorted(inside), 40)
        for end in ends
    }
    async with keeping(cluster, name, Subjects(set(inside))) as governed:
        await until_async("every account to be governed", lambda: governed.holds(inside))
        api = cluster.api
        await until_async(
            "requests of the last account to be sent",
            lambda: is_sent(api, user_of(max(inside)), namespace),
        )
        conditions = api.request("GET", f"{PATHS[0]}/{name}")["webhooks"][0]["matchConditions"]
        assert len(conditions) == 4
        chosen = {*rng.sample(sorted(inside), 60), min(inside), max(inside)}
        assert sent(api, chosen | near, namespace) == chosen | (near & inside)


async def test_the_longest_names_are_accepted(cluster: Cluster, namespace: str, name: str) -> None:
    longest = {(f"{i:063}", f"{i:0253}") for i in range(300)}
    async with keeping(cluster, name, Subjects()) as governed:
        await governed.ensure(longest)
        await until_async(
            "requests of the account with the longest name to be sent",
            lambda: is_sent(cluster.api, user_of(min(longest)), namespace),
        )
        assert not is_sent(cluster.api, user_of(("x", "y")), namespace)


async def test_ranges_are_exact(cluster: Cluster, namespace: str, name: str) -> None:
    first, second = namespace, f"{namespace}-b"
    inside = {
        (first, "alpha"),
        (first, "worker-*"),
        (first, "workers"),
        (second, "*"),
        (f"{second}-c", "z*"),
    }
    sent_ones = {
        *((first, one) for one in ("alpha", "worker-", "worker-0", "worker-a.b", "workers")),
        *((second, one) for one in ("0", "a", "z.z")),
        *((f"{second}-c", one) for one in ("z", "z-1")),
    }
    others = {
        *((first, one) for one in ("worker", "worker.a", "workersx", "alph", "alphaa")),
        *((f"{second}-c", one) for one in ("y", "a-z")),
        (f"{second}-", "a"),
        (f"{second}c", "a"),
        (f"{first}-a", "a"),
    }
    async with keeping(cluster, name, Subjects(set(inside))) as governed:
        await until_async("every account to be governed", lambda: governed.holds(inside))
        await until_async(
            "requests of the other namespace's account to be sent",
            lambda: is_sent(cluster.api, user_of((f"{second}-c", "z")), namespace),
        )
        assert sent(cluster.api, sent_ones | others, namespace) == sent_ones
        assert listed(cluster.api, name) == inside


async def test_name_of_a_range_is_ensured_without_a_write(
    cluster: Cluster, namespace: str, name: str
) -> None:
    async with keeping(cluster, name, Subjects({(namespace, "worker-*")})) as governed:
        await until_async(
            "the accounts of the pattern to be governed",
            lambda: governed.holds([(namespace, "worker-*")]),
        )
        before = governed.writes
        await asyncio.gather(*(governed.ensure([(namespace, f"worker-{i}")]) for i in range(20)))
        assert governed.writes == before
        await governed.ensure([(namespace, "helper")])
        assert governed.writes == before + 2


@pytest.mark.parametrize("crowd", [{"worker-*"}, {f"agent-{i}" for i in range(600)}])
async def test_needed_account_stays_governed_while_its_range_is_removed(
    cluster: Cluster, namespace: str, name: str, crowd: set[str]
) -> None:
    """A range of a policy, and a namespace that needed too many names."""
    kept, gone = (namespace, "worker-1"), (namespace, "agent-1")
    if "worker-*" in crowd:
        gone = (namespace, "worker-2")
    subjects = Subjects({kept, *((namespace, one) for one in crowd)})
    async with keeping(cluster, name, subjects, QUICK, lead=True) as governed:
        await until_async(
            "requests of the account that will go to be sent",
            lambda: is_sent(cluster.api, user_of(gone), namespace),
        )
        await until_async("the kept account to be governed", lambda: governed.holds([kept]))
        whole = {(namespace, "*")} if len(crowd) > 1 else {(namespace, "worker-*")}
        assert listed(cluster.api, name) == whole
        subjects.accounts = {kept}
        governed.look()

        def is_over() -> bool:
            assert is_sent(cluster.api, user_of(kept), namespace)
            return listed(cluster.api, name) == {kept}

        await until_async("only the kept account in the configuration", is_over)
        await until_async(
            "requests of the account that is gone to be sent no longer",
            lambda: not is_sent(cluster.api, user_of(gone), namespace),
        )
        assert is_sent(cluster.api, user_of(kept), namespace)


async def test_replica_that_relies_on_a_range_that_is_about_to_go_names_the_account(
    cluster: Cluster, namespace: str, name: str
) -> None:
    subjects = Subjects({(namespace, "worker-*")})
    async with keeping(cluster, name, subjects) as governed:
        await until_async(
            "the accounts of the pattern to be governed",
            lambda: governed.holds([(namespace, "worker-*")]),
        )
        subjects.accounts = set()
        for path in PATHS:
            found = read_asking(cluster.api.request("GET", f"{path}/{name}"))
            patch = asking_patch(found, found.accounts, found.accounts)
            edit(cluster.api, f"{path}/{name}", *patch)
        await until_async(
            "the account to be governed no longer",
            lambda: not governed.holds([(namespace, "worker-1")]),
        )
        await governed.ensure([(namespace, "worker-1")])
        assert listed(cluster.api, name) == {(namespace, "worker-*"), (namespace, "worker-1")}


async def test_most_that_is_ever_asked_for_is_accepted(cluster: Cluster, name: str) -> None:
    places = [f"{i:03}{'n' * 60}" for i in range(14)]
    long = {(place, f"{i:03}{'a' * 250}") for place in places for i in range(102)}
    short = {(f"n{i // 500}", f"a{i % 500}{'-*' * (i % 2)}") for i in range(6_000)}
    entries = fitted(frozenset(long | short))
    assert sum(len(place) + len(one) for place, one in entries) > 0.9 * MOST_CHARS
    for path in PATHS:
        found = read_asking(cluster.api.request("GET", f"{path}/{name}"))
        leaving = frozenset(sorted(entries)[-500:])
        edit(cluster.api, f"{path}/{name}", *asking_patch(found, entries, leaving))
    assert listed(cluster.api, name) == entries


async def test_two_replicas_add_at_once(cluster: Cluster, namespace: str, name: str) -> None:
    ours = {(namespace, f"ours-{i}") for i in range(100)}
    theirs = {(namespace, f"theirs-{i}") for i in range(100)}
    async with (
        keeping(cluster, name, Subjects({(namespace, "a")})) as one,
        keeping(cluster, name, Subjects({(namespace, "a")})) as other,
    ):
        await asyncio.gather(
            *(one.ensure([account]) for account in ours),
            *(other.ensure([account]) for account in theirs),
        )
        assert listed(cluster.api, name) == {(namespace, "a"), *ours, *theirs}
        # All who wait share one write to each.
        assert one.writes + other.writes <= 20


async def test_ensure_returns_once_both_hold_it(
    cluster: Cluster, namespace: str, name: str
) -> None:
    async with keeping(cluster, name, Subjects()) as governed:
        for i in range(20):
            account = (namespace, f"a{i}")
            await governed.ensure([account])
            assert account in (listed(cluster.api, name) or ())
            before = governed.writes
            await governed.ensure([account])
            assert governed.writes == before
        await governed.ensure([])
        with pytest.raises(GovernError, match="no ServiceAccount's name"):
            await governed.ensure([(namespace, "a' || true || 'b")])


async def test_ensure_trusts_no_old_news(cluster: Cluster, namespace: str, name: str) -> None:
    a = (namespace, "a")
    async with keeping(cluster, name, Subjects()) as governed:
        await governed.ensure([a])
        for _ in range(10):
            # Nothing lets the watch tell of it before.
            take_out(cluster.api, name, set())
            await governed.ensure([a])
            assert a in (listed(cluster.api, name) or ())


async def test_replica_that_needs_a_marked_account_keeps_it(
    cluster: Cluster, namespace: str, name: str
) -> None:
    a, b = (namespace, "a"), (namespace, "b")
    both = frozenset({a, b})
    async with keeping(cluster, name, Subjects()) as governed:
        await governed.ensure(both)
        for path in PATHS:
            found = read_asking(cluster.api.request("GET", f"{path}/{name}"))
            edit(cluster.api, f"{path}/{name}", *asking_patch(found, both, both))
        await governed.ensure([a])
        for path in PATHS:
            found = read_asking(cluster.api.request("GET", f"{path}/{name}"))
            assert (found.accounts, a in found.leaving) == (both, False)


async def test_ensure_fails_closed(cluster: Cluster, namespace: str, name: str) -> None:
    a = (namespace, "a")
    async with keeping(cluster, name, Subjects()) as governed:
        await governed.ensure([a])
        cluster.api.delete(manifests(name)[1])
        with pytest.raises(GovernError, match=f"Validating.*{name}: it does not exist"):
            await governed.ensure([(namespace, "b")])
        await until_async(
            "the problem GuardMissing",
            lambda: [one.reason for one in governed.problems()] == [ControllerReason.GUARD_MISSING],
        )
        # Made anew, as an installation does: what was there is there again.
        cluster.api.create(manifests(name)[1])
        await until_async(
            "both accounts to be governed", lambda: governed.holds([a, (namespace, "b")])
        )
        await until_async(
            "both accounts in the configuration",
            lambda: listed(cluster.api, name) == {a, (namespace, "b")},
        )
        await until_async("no problems", lambda: governed.problems() == ())


async def test_a_server_that_does_not_answer_is_an_error_in_time(
    cluster: Cluster, namespace: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keeping(cluster, name, Subjects()) as governed:
        await governed.ensure([(namespace, "a")])
        cluster.server.signal(signal.SIGSTOP)
        try:
            bound_of(monkeypatch, 3.0)
            async with asyncio.timeout(20.0):
                with pytest.raises(GovernError):
                    await governed.ensure([(namespace, "b")])
        finally:
            bound_of(monkeypatch, 30.0)
            cluster.server.signal(signal.SIGCONT)
        await until_async(
            "the second account to be governed", lambda: governed.holds([(namespace, "b")])
        )
        await governed.ensure([(namespace, "c")])


RULES = "/webhooks/0/rules"
CONDITIONS = "/webhooks/0/matchConditions"


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "remove", "path": RULES}],
        [{"op": "remove", "path": CONDITIONS}],
        [{"op": "remove", "path": RULES}, {"op": "remove", "path": CONDITIONS}],
        [{"op": "replace", "path": f"{CONDITIONS}/1/expression", "value": "false"}],
        [{"op": "replace", "path": f"{RULES}/0/operations", "value": ["DELETE"]}],
        [{"op": "remove", "path": "/metadata/annotations"}],
        [
            {"op": "remove", "path": "/metadata/annotations"},
            {"op": "remove", "path": RULES},
            {"op": "remove", "path": CONDITIONS},
        ],
        [{"op": "replace", "path": "/metadata/annotations/hotpeers.dev~1governed", "value": "{}"}],
    ],
)
async def test_what_somebody_edits_is_mended(
    operations: list[Object], cluster: Cluster, namespace: str, name: str
) -> None:
    # The second is needed by nobody any more, and stays all the same for its time.
    a, b = (namespace, "a"), (namespace, "b")
    subjects = Subjects({a, b})
    async with keeping(cluster, name, subjects, lead=True) as governed:
        await until_async("both accounts to be governed", lambda: governed.holds([a, b]))
        subjects.accounts.discard(b)
        for path in PATHS:
            edit(cluster.api, f"{path}/{name}", *operations)
        await until_async(
            "requests of both accounts to be sent",
            lambda: sent(cluster.api, [a, b], namespace) == {a, b},
        )
        # The watch may not have told of the edit yet, which leaves the conditions alone in one case.
        await until_async(
            "both accounts in the configuration", lambda: listed(cluster.api, name) == {a, b}
        )
        await until_async("both accounts to be governed still", lambda: governed.holds([a, b]))


async def test_webhooks_in_another_order_are_mended(
    cluster: Cluster, namespace: str, name: str
) -> None:
    a = (namespace, "a")
    path = f"{PATHS[0]}/{name}"
    async with keeping(cluster, name, Subjects({a})) as governed:
        await until_async("the account to be governed", lambda: governed.holds([a]))
        found = cluster.api.request("GET", path)
        other = {**manifests(name)[0]["webhooks"][0], "name": "other.guard.hotpeers.dev"}
        cluster.api.request("PUT", path, {**found, "webhooks": [other, *found["webhooks"]]})
        await until_async(
            "every webhook to have one rule",
            lambda: all(
                len(one.get("rules", [])) == 1
                for one in cluster.api.request("GET", path)["webhooks"]
            ),
        )


async def test_repeated_apply_of_the_manifests_removes_no_account(
    cluster: Cluster, namespace: str, name: str
) -> None:
    api, account = cluster.api, (namespace, "a")
    for one in manifests(name):
        api.apply(one)
    async with keeping(cluster, name, Subjects({account})) as governed:
        await until_async("the account to be governed", lambda: governed.holds([account]))
        writes = governed.writes
        for one in manifests(name):
            path = api.path(one)
            before = api.read(one)
            api.apply({**one, "metadata": {**one["metadata"], "labels": {"release": "2"}}})
            # As helm does, and kubectl without --server-side.
            change = {"metadata": {"labels": {"release": "3"}}, "webhooks": one["webhooks"]}
            content_type = "application/strategic-merge-patch+json"
            after = api.request("PATCH", path, change, content_type=content_type)
            assert after["metadata"]["labels"]["release"] == "3"
            for key in ("rules", "matchConditions"):
                assert after["webhooks"][0][key] == before["webhooks"][0][key]
            assert annotated(after) == {account}
        assert governed.holds([account])
        assert governed.writes == writes


async def test_unneeded_account_is_removed_after_the_grace_period(
    cluster: Cluster, namespace: str, name: str
) -> None:
    a, b = (namespace, "a"), (namespace, "b")
    subjects = Subjects({a, b})
    async with keeping(cluster, name, subjects, QUICK, lead=True) as governed:
        await until_async("both accounts to be governed", lambda: governed.holds([a, b]))
        loop = asyncio.get_running_loop()
        began = loop.time()
        subjects.accounts.discard(b)
        governed.look()
        await until_async(
            "only the first account in the configuration", lambda: listed(cluster.api, name) == {a}
        )
        assert loop.time() - began >= QUICK.grace
        await until_async(
            "requests of the second account to be sent no longer",
            lambda: not is_sent(cluster.api, user_of(b), namespace),
        )
        subjects.accounts.clear()
        governed.look()
        await until_async(
            "no account in the configuration", lambda: listed(cluster.api, name) == set()
        )
        for path in PATHS:
            webhook = cluster.api.request("GET", f"{path}/{name}")["webhooks"][0]
            assert "rules" not in webhook
            assert "matchConditions" not in webhook


async def test_unknown_subjects_remove_no_account(
    cluster: Cluster, namespace: str, name: str
) -> None:
    a, b = (namespace, "a"), (namespace, "b")
    subjects = Subjects({a, b})
    async with keeping(cluster, name, subjects, QUICK, lead=True) as governed:
        await until_async("both accounts to be governed", lambda: governed.holds([a, b]))
        subjects.accounts, subjects.known = {a}, False
        governed.look()
        with pytest.raises(AssertionError):
            await until_async(
                "only the first account in the configuration",
                lambda: listed(cluster.api, name) == {a},
                3 * QUICK.grace,
            )
        subjects.known = True
        governed.look()
        await until_async(
            "only the first account in the configuration", lambda: listed(cluster.api, name) == {a}
        )


async def test_account_needed_again_by_a_replica_is_kept(
    cluster: Cluster, namespace: str, name: str
) -> None:
    """The leader does not know of it: only the mark that goes tells."""
    a = (namespace, "a")
    patience = Patience(grace=2.0, linger=4.0)
    async with (
        keeping(cluster, name, Subjects(), patience, lead=True) as leader,
        keeping(cluster, name, Subjects(), patience) as other,
    ):
        take_out(cluster.api, name, {a})
        await until_async("the account to be governed", lambda: leader.holds([a]))
        # It is marked, and then relied on.
        await until_async("the account to be governed no longer", lambda: not leader.holds([a]))
        assert listed(cluster.api, name) == {a}
        await other.ensure([a])
        assert leader.holds([a]) or await until_async(
            "the account to be governed again", lambda: leader.holds([a])
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        await until_async(
            "no account in the configuration", lambda: listed(cluster.api, name) == set()
        )
        assert loop.time() - began >= patience.grace


REPLICA = """
import asyncio, sys
from hotpeers.controller.election import Election, LeaderClient, Pace
from hotpeers.controller.webhook_config.accounts import Governed
from hotpeers.controller.webhook_config.matching import Patience
from hotpeers.kube.client import Client
from hotpeers.kube.connection import Access, connect

class Subjects:
    def governed(self):
        return frozenset({(namespace, "a")})
    def fresh(self):
        return True

async def main():
    access = Access(kubeconfig)
    async with Client(access, await connect(access)) as client:
        governed = Governed(client, name, Subjects(), Patience(1.0, 0.3))
        election = Election(client, namespace, "lease", "one", Pace(3.0, 2.0, 0.3))
        async with asyncio.TaskGroup() as group:
            group.create_task(governed.run())
            group.create_task(election.run(
                lambda: governed.lead(LeaderClient(client, lambda: election.leading))))
            while True:
                for i in range(50):
                    await governed.ensure([(namespace, f"b{i}")])

kubeconfig, namespace, name = sys.argv[1:]
asyncio.run(main())
"""


async def test_write_interrupted_by_a_kill_is_completed_by_another_replica(
    cluster: Cluster, namespace: str, name: str
) -> None:
    a = (namespace, "a")
    rng = random.Random(7)
    command = [sys.executable, "-c", REPLICA, str(cluster.kubeconfig), namespace, name]
    for number in range(3):
        process = Process([*command], cluster.folder / f"{name}-{number}.log")
        process.start()
        try:
            await until_async(
                "more than five annotations",
                lambda: len(annotated(cluster.api.request("GET", f"{PATHS[1]}/{name}"))) > 5,
            )
            await asyncio.sleep(rng.uniform(0.0, 0.1))
        finally:
            process.stop(signal.SIGKILL)
        # One may have got further than the other.
        async with keeping(cluster, name, Subjects({a}), QUICK, lead=True) as governed:
            await until_async("the account to be governed", lambda: governed.holds([a]))
            await until_async(
                "requests of the account to be sent",
                lambda: sent(cluster.api, [a], namespace) == {a},
            )
            await until_async(
                "the account in the configuration", lambda: listed(cluster.api, name) == {a}
            )
