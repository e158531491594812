"""Who asks: by the account, the agents that run as it and the policies that name it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.spawnpolicy.decide import decide
from hotpeers.spawnpolicy.identity import Identity, Standing, identify, of_orphan
from hotpeers.spawnpolicy.known import Known, KnownAgent, read_agent, read_known_policy
from hotpeers.spawnpolicy.reasons import PolicyReason
from hotpeers.spawnpolicy.request import Facts, Subject
from hotpeers.spawnpolicy.schema.policy import SpawnPolicy
from kit.spawning import NOW, SPEC, declarative, document, edited, policy, request, spawned

USER, UID = "system:serviceaccount:team:lead", "account-uid"
ACCOUNT = policy("by-account", subjects=[{"kind": "ServiceAccount", "name": "lead"}])
POLICY = policy()


def agent(name: str = "lead", account: str | None = None, **metadata: Any) -> KnownAgent:
    manifest = declarative(name)
    manifest["metadata"] |= {"uid": f"uid-of-{name}", **metadata}
    if account:
        manifest["spec"]["declarative"]["deployment"] = {"serviceAccountName": account}
    return read_agent(manifest)


def child(name: str = "worker-a", **edits: str) -> KnownAgent:
    """An agent that was spawned; stamps can be given other values."""
    live = spawned(declarative(name))
    live["metadata"]["annotations"] |= {f"hotpeers.dev/{key}": it for key, it in edits.items()}
    return read_agent(live)


def who(
    *agents: KnownAgent, policies: tuple[SpawnPolicy, ...] = (POLICY,), username: str = USER
) -> Identity:
    return identify(username, UID, Known(agents, policies))


def test_agent_is_the_subject() -> None:
    found = who(agent())
    assert found.standing is Standing.GOVERNED
    assert found.subject == Subject("team", "lead", UID, "lead", "uid-of-lead")


def test_agent_with_an_account_of_another_name() -> None:
    found = who(agent(account="writer"), username="system:serviceaccount:team:writer")
    assert found.subject == Subject("team", "writer", UID, "lead", "uid-of-lead")
    # An account with the agent's name is not that agent.
    assert who(agent(account="writer")).standing is Standing.ORPHAN


def test_account_that_a_subject_left_is_refused() -> None:
    """Its old pod runs on for a while; it must not be free because its Agent was deleted or edited."""
    writer = "system:serviceaccount:team:writer"
    for policies, expected in (((POLICY,), Standing.REFUSED), ((), Standing.ORPHAN)):
        known = Known([agent(account="writer")], policies)
        known.put(agent(account="another"))
        assert identify(writer, UID, known).standing is expected
        known.drop("team", "lead")
        assert identify(writer, UID, known).standing is expected
        known.put(agent(account="writer"))
        assert identify(writer, UID, known).standing is not Standing.REFUSED


def test_own_image_names_its_account_in_its_own_block() -> None:
    manifest = edited(
        declarative("lead"),
        ("spec.type", "BYO"),
        ("spec.byo.deployment.serviceAccountName", "writer"),
        ("spec.declarative.deployment.serviceAccountName", "other"),
    )
    assert read_agent(manifest).account == "writer"


def test_account_without_an_agent_is_itself_the_subject() -> None:
    found = who(policies=(ACCOUNT,))
    assert found.standing is Standing.GOVERNED
    assert found.subject == Subject("team", "lead", UID)


def test_account_without_a_uid_is_refused() -> None:
    found = identify(USER, "", Known((), (ACCOUNT,)))
    assert found.standing is Standing.REFUSED
    assert found.denial is not None
    assert found.denial.reason is PolicyReason.SUBJECT_UNCLEAR


def test_spawned_agent_has_the_policy_and_depth_of_its_stamps() -> None:
    found = who(child(), username="system:serviceaccount:team:worker-a")
    assert found.standing is Standing.GOVERNED
    assert found.subject is not None
    assert (found.subject.policy, found.subject.depth) == ("team/workers", 1)
    assert found.subject.agent == "worker-a"


def test_spawned_agent_in_another_namespace_stays_under_its_policy() -> None:
    found = who(
        read_agent(spawned(declarative("worker-a", "sandbox"))),
        policies=(POLICY, policy("near", "sandbox", subjects=[{"kind": "Agent", "name": "x"}])),
        username="system:serviceaccount:sandbox:worker-a",
    )
    assert found.subject is not None
    assert found.subject.policy == "team/workers"


@pytest.mark.parametrize("depth", ["", "x", "0", "-1", "1.0", "1000", "٣"])
def test_unreadable_depth_is_refused(depth: str) -> None:
    found = who(child(depth=depth), username="system:serviceaccount:team:worker-a")
    assert found.denial is not None
    assert found.denial.reason is PolicyReason.SUBJECT_UNCLEAR


@pytest.mark.parametrize(
    "stamps",
    [
        {"labels": {"hotpeers.dev/spawned": "true"}},
        {"annotations": {"hotpeers.dev/policy": "team/gone"}},
    ],
)
def test_incomplete_stamps_are_refused(stamps: dict[str, Any]) -> None:
    found = who(agent(**stamps))
    assert found.standing is Standing.REFUSED
    assert found.denial is not None
    assert found.denial.reason is PolicyReason.POLICY_MISSING


def test_spawned_agent_whose_policy_is_gone_is_refused() -> None:
    user = "system:serviceaccount:team:worker-a"
    found = who(child(), policies=(), username=user)
    assert found.standing is Standing.REFUSED
    # Another that names it does not take it over.
    other = policy("other", subjects=[{"kind": "Agent", "name": "worker-a"}])
    assert who(child(), policies=(other,), username=user).standing is Standing.REFUSED


def test_shared_account_is_refused() -> None:
    found = who(agent(), agent("other", account="lead"))
    assert found.standing is Standing.REFUSED
    assert found.denial is not None
    assert found.denial.reason is PolicyReason.ACCOUNT_SHARED
    assert "lead, other" in found.denial.wrong


def test_shared_account_that_a_policy_names_is_the_subject() -> None:
    found = who(agent(), agent("other", account="lead"), policies=(POLICY, ACCOUNT))
    assert found.standing is Standing.GOVERNED
    assert found.subject == Subject("team", "lead", UID)


def test_spawned_agent_does_not_hide_behind_a_shared_account() -> None:
    other = policy("by-account", subjects=[{"kind": "ServiceAccount", "name": "worker-a"}])
    found = who(
        child(),
        agent("other", account="worker-a"),
        policies=(POLICY, other),
        username="system:serviceaccount:team:worker-a",
    )
    assert found.standing is Standing.REFUSED


def test_agent_that_no_policy_governs_is_free() -> None:
    assert who(agent(), policies=()).standing is Standing.FREE
    # A policy restricts only the subjects that it names in its own namespace.
    assert who(agent(), policies=(policy(namespace="elsewhere"),)).standing is Standing.FREE


@pytest.mark.parametrize(
    "username",
    [
        *("admin", "system:admin", "system:serviceaccount:team", "system:serviceaccount:team:a:b"),
        *(
            "system:serviceaccount:team:lead\n",
            "system:node:one",
            "System:serviceaccount:team:lead",
        ),
        *("system:serviceaccount:te/am:lead", "system:serviceaccount::lead"),
    ],
)
def test_user_that_is_no_service_account_is_not_governed(username: str) -> None:
    assert who(agent(), username=username).standing is Standing.FREE


OWNED = {"apiVersion": "kagent.dev/v1alpha2", "kind": "Agent", "name": "lead", "uid": "x"}


@pytest.mark.parametrize(
    ("account", "standing"),
    [
        ({"metadata": {"uid": UID}}, Standing.FREE),
        ({"metadata": {"uid": UID, "ownerReferences": [{"kind": "Agent"}]}}, Standing.FREE),
        ({"metadata": {"uid": UID, "ownerReferences": "x"}}, Standing.FREE),
        ({"metadata": {"uid": UID, "ownerReferences": [OWNED]}}, Standing.REFUSED),
        (
            {"metadata": {"uid": UID, "annotations": {"hotpeers.dev/policy": "team/x"}}},
            Standing.REFUSED,
        ),
        ({"metadata": {"uid": "of-a-newer-one"}}, Standing.REFUSED),
        (None, Standing.REFUSED),
    ],
)
def test_what_is_left_of_an_agent_is_refused(account: Any, standing: Standing) -> None:
    found = who(policies=())
    assert found.standing is Standing.ORPHAN
    assert of_orphan(found, account).standing is standing


def test_deleted_account_is_refused_without_a_uid() -> None:
    found = identify(USER, "", Known())
    assert found.standing is Standing.ORPHAN
    assert of_orphan(found, None).standing is Standing.REFUSED


BROKEN: dict[str, Any] = {
    "an unknown field": {**SPEC, "unknown": 1},
    "a wrong type": {**SPEC, "maxPromptLength": "x"},
    "an unknown kind": {"subjects": [{"kind": "Group", "name": "lead"}]},
    "no kind": {"subjects": [{"name": "lead"}]},
    "a name alone": {"subjects": ["lead"]},
    "subjects beside others": {"subjects": [None, 7, {}, {"kind": "Agent", "name": "lead"}]},
    "too many": {"subjects": [{"kind": "Agent", "name": "lead"}] * 33},
}


@pytest.mark.parametrize("name", BROKEN)
def test_policy_that_cannot_be_read_governs_and_allows_nothing(name: str) -> None:
    known = read_known_policy(document(BROKEN[name]))
    assert known.findings
    assert known.key == "team/workers"
    found = who(agent(), policies=(known.policy,))
    assert found.standing is Standing.GOVERNED
    assert found.subject is not None
    for operation in ("CREATE", "UPDATE", "DELETE"):
        asked = request(declarative(), operation=operation, subject=found.subject)
        decision = decide(asked, [known.policy], Facts(now=NOW))
        assert not decision.allowed
        assert [one.reason for one in decision.denials] == [PolicyReason.POLICY_INVALID]


def test_unreadable_policy_does_not_restrict_other_policies() -> None:
    broken = read_known_policy(document(BROKEN["an unknown field"], "broken")).policy
    asked = request(declarative())
    assert decide(asked, [broken, POLICY], Facts(now=NOW)).allowed
    denied = decide(request(declarative("nobody")), [broken, POLICY], Facts(now=NOW))
    assert denied.policy == POLICY.key
    # An audit policy does not admit a request that an unreadable enforced policy denies.
    audit = policy("audit", mode="Audit")
    assert not decide(asked, [audit, broken], Facts(now=NOW)).allowed


def test_unreadable_audit_policy_denies_no_request() -> None:
    audit = read_known_policy(document({**SPEC, "unknown": 1, "mode": "Audit"})).policy
    decision = decide(request(declarative()), [audit], Facts(now=NOW))
    assert decision.allowed
    assert decision.denials[0].reason is PolicyReason.POLICY_INVALID


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_JSON, _JSON)
def test_any_value_is_read_as_a_record(one: Any, other: Any) -> None:
    for data in (one, {"metadata": one, "spec": other}, {"metadata": {"annotations": one}}):
        found = read_agent(data)
        assert isinstance(found.account, str)
        assert read_known_policy(data).findings


@given(
    st.lists(st.sampled_from(["lead", "other", "third"]), max_size=4), st.booleans(), st.booleans()
)
def test_account_named_by_a_policy_is_always_governed_or_refused(
    accounts: list[str], named: bool, leads: bool
) -> None:
    agents = [agent(f"a{number}", account=one) for number, one in enumerate(accounts)]
    policies = (*((ACCOUNT,) if named else ()), *((POLICY,) if leads else ()))
    if leads:
        agents.append(agent())
    found = who(*agents, policies=policies)
    if named or leads:
        assert found.standing in {Standing.GOVERNED, Standing.REFUSED}


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["a1", "a2", "a3"]),
                st.sampled_from(["lead", "other"]),
                st.sampled_from(["", "team/one", "team/two"]),
            ),
            unique_by=lambda one: one[0],
            max_size=3,
        ),
        max_size=5,
    )
)
def test_latest_version_of_each_object_is_known(changes: list[list[tuple[str, str, str]]]) -> None:
    known = Known()
    for change in changes:
        agents = [
            agent(name, account, annotations={"hotpeers.dev/policy": key} if key else {})
            for name, account, key in change
        ]
        for one in ("a1", "a2", "a3"):
            known.drop("team", one)
        for one in agents:
            known.put(one)
        for one in agents[:1]:
            known.put(one)  # again, as a resync does
        anew = Known(agents)
        for name in ("a1", "a2", "a3"):
            assert known.has_agent("team", name) == anew.has_agent("team", name)
        for account in ("lead", "other"):
            found = known.agents_as("team", account)
            assert {one.name for one in found} == {
                one.name for one in anew.agents_as("team", account)
            }
            assert len(found) == len(anew.agents_as("team", account))
        for key in ("team/one", "team/two"):
            assert set(known.counted(key)) == set(anew.counted(key))
        assert known.stamped_policies() == anew.stamped_policies()
        assert {one.name for one in known.spawned()} == {one.name for one in anew.spawned()}
