"""Which stamps are trusted: a forged one governs no other account, and is not counted."""

from dataclasses import replace

import pytest

from hotpeers.spawnpolicy.governed import governed_accounts
from hotpeers.spawnpolicy.identity import Standing, identify
from hotpeers.spawnpolicy.known import Known, read_agent
from hotpeers.spawnpolicy.origin import KnownAgent
from hotpeers.spawnpolicy.schema.policy import SpawnPolicy, SubjectRef
from hotpeers.spawnpolicy.stamps import ACCOUNT, DEPTH, POLICY, SPAWNED, SPAWNED_BY, UID, Stamps
from kit.spawning import declarative, policy

VICTIM = policy(targetNamespaces=("team", "sandbox"))
LEAD = KnownAgent("team", "lead", "lead-uid", "lead")


def stamped(
    place: str = "sandbox",
    name: str = "worker",
    *,
    by: KnownAgent = LEAD,
    depth: int = 1,
    key: str = VICTIM.key,
    account: str = "",
    label: bool = True,
) -> KnownAgent:
    annotations = {
        POLICY: key,
        DEPTH: str(depth),
        ACCOUNT: f"{by.namespace}/{by.account}",
        SPAWNED_BY: by.title,
        UID: by.uid,
    }
    stamps = Stamps(annotations, {SPAWNED: "true"} if label else {})
    return KnownAgent(place, name, f"uid-of-{name}", account or name, stamps)


def without(agent: KnownAgent, *keys: str) -> KnownAgent:
    kept = {key: one for key, one in agent.stamps.annotations.items() if key not in keys}
    return replace(agent, stamps=replace(agent.stamps, annotations=kept))


def known(*agents: KnownAgent, policies: tuple[SpawnPolicy, ...] = (VICTIM,)) -> Known:
    return Known((LEAD, *agents), policies)


def test_agent_of_the_subject_is_spawned_and_counts() -> None:
    worker = stamped()
    assert known(worker).is_spawned(worker)
    assert known(worker).counted(VICTIM.key) == {"sandbox/worker": worker}


def test_chain_of_agents_is_spawned_and_counts() -> None:
    first = stamped()
    second = stamped(name="second", by=first, depth=2)
    found = known(first, second)
    assert found.is_spawned(second)
    assert set(found.counted(VICTIM.key)) == {"sandbox/worker", "sandbox/second"}


EVIL = KnownAgent("evil", "evil", "evil-uid", "evil")
FORGED = {
    "in a namespace that the policy does not name": stamped("evil"),
    "by an account of another namespace": stamped(by=EVIL),
    "by another agent of the policy's namespace": stamped(
        by=KnownAgent("team", "other", "other-uid", "other")
    ),
    "by the subject's name with a guessed uid": stamped(by=replace(LEAD, uid="guessed")),
    "without a uid": without(stamped(), UID),
    "without a depth": without(stamped(), DEPTH),
    "as grandchild of an agent that was not spawned": stamped(by=EVIL, depth=2),
    "as grandchild of a forged one": stamped(by=stamped("evil", "fake", by=EVIL), depth=2),
    "as grandchild of one that is not there": stamped(by=replace(EVIL, uid="none"), depth=2),
    "with the account of a bystander": stamped(account="ci-deployer"),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_forged_agent_does_not_count(forged: KnownAgent) -> None:
    spawner = stamped("evil", "fake", by=EVIL)
    other = KnownAgent("team", "other", "other-uid", "other")
    assert known(forged, EVIL, spawner, other).counted(VICTIM.key) == {}


@pytest.mark.parametrize(
    "forged",
    [
        stamped("team", "mine", account="ci-deployer"),
        stamped("team", "mine", account="ci-deployer", key="team/no-such-policy"),
        KnownAgent("team", "mine", "uid", "ci-deployer", Stamps({}, {SPAWNED: "true"})),
        stamped("team", "ci-deployer", by=EVIL),
        stamped("team", "ci-deployer", by=stamped("evil", "fake", by=EVIL), depth=2),
    ],
    ids=["complete", "no policy", "label only", "by an alien", "by a forged one"],
)
def test_forged_agent_governs_nobody(forged: KnownAgent) -> None:
    """All writes of the account of a bystander were refused."""
    found = known(forged, stamped("evil", "fake", by=EVIL))
    assert not found.is_spawned(forged)
    assert not any(one is forged for one in found.spawned())
    asked = identify("system:serviceaccount:team:ci-deployer", "uid", found)
    assert asked.standing is Standing.FREE
    assert ("team", "ci-deployer") not in governed_accounts([VICTIM], [forged])


@pytest.mark.parametrize("taken", [POLICY, DEPTH, ACCOUNT, UID, SPAWNED_BY])
def test_agent_that_lost_a_stamp_stays_governed(taken: str) -> None:
    worker = without(stamped(), taken)
    found = known(worker)
    assert found.is_spawned(worker)
    asked = identify("system:serviceaccount:sandbox:worker", "uid", found)
    assert asked.standing in {Standing.GOVERNED, Standing.REFUSED}


@pytest.mark.parametrize(
    "edited",
    [
        policy(targetNamespaces=("team",)),
        policy(names=("other-*",), targetNamespaces=("sandbox",)),
        policy(subjects=(SubjectRef(kind="Agent", name="another"),)),
    ],
    ids=["targets", "names", "subjects"],
)
def test_edit_of_a_policy_frees_nobody(edited: SpawnPolicy) -> None:
    first = stamped()
    second = stamped(name="second", by=first, depth=2)
    found = known(first, second, policies=(edited,))
    for one in (first, second):
        asked = identify(f"system:serviceaccount:{one.title.replace('/', ':')}", "uid", found)
        assert asked.standing is Standing.GOVERNED


@pytest.mark.parametrize("gone", [POLICY, DEPTH, ACCOUNT])
def test_changed_spawner_leaves_its_child_governed(gone: str) -> None:
    first = stamped()
    second = stamped(name="second", by=first, depth=2)
    for changed in (without(first, gone), replace(first, account="another")):
        found = known(changed, second)
        asked = identify("system:serviceaccount:sandbox:second", "uid", found)
        assert asked.standing in {Standing.GOVERNED, Standing.REFUSED}


def test_depth_that_no_policy_allows_is_refused_at_once() -> None:
    """A chain of hundreds would be followed for each of its agents."""
    deep = stamped(depth=9)
    found = known(deep)
    assert (deep.depth, found.is_spawned(deep)) == (0, True)
    asked = identify("system:serviceaccount:sandbox:worker", "uid", found)
    assert asked.standing is Standing.REFUSED


def test_stamps_too_long_are_kept_as_ones_that_cannot_be_read() -> None:
    """An annotation may have 256 KiB, and each replica keeps all agents."""
    manifest = declarative("worker", "sandbox")
    stamps = dict.fromkeys((POLICY, DEPTH, ACCOUNT, UID, SPAWNED_BY), "x" * 200000)
    manifest["metadata"]["annotations"] = stamps
    manifest["spec"]["declarative"]["deployment"] = {"serviceAccountName": "worker"}
    agent = read_agent(manifest)
    assert max(map(len, agent.stamps.annotations.values())) == 0
    assert known(agent).is_spawned(agent)


def test_agent_of_a_deleted_spawner_stays_governed() -> None:
    second = stamped(name="second", by=stamped(), depth=2)
    assert known(second).is_spawned(second)


def test_agents_that_share_an_account_in_a_governed_range_are_free() -> None:
    agents = [KnownAgent("team", name, name, "worker-shared") for name in ("a", "b")]
    asked = identify("system:serviceaccount:team:worker-shared", "uid", known(*agents))
    assert asked.standing is Standing.FREE
    shared = [*agents, stamped("team", "worker-shared")]
    asked = identify("system:serviceaccount:team:worker-shared", "uid", known(*shared))
    assert asked.standing is Standing.REFUSED
