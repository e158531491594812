"""The accounts that the API server sends to the guard: set, conditions and removals."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.controller.webhook_config.conditions import accounts_of, conditions_of
from hotpeers.controller.webhook_config.matching import (
    LEAVING,
    RULES,
    Asking,
    Clock,
    Patience,
    asking_patch,
    plan_release,
    read_asking,
)
from hotpeers.spawnpolicy.governed import (
    MOST,
    MOST_CHARS,
    MOST_IN_PLACE,
    WHOLE,
    Account,
    Cover,
    fitted,
    governed_accounts,
    is_account,
)
from hotpeers.spawnpolicy.origin import KnownAgent
from hotpeers.spawnpolicy.schema.policy import SubjectRef
from hotpeers.spawnpolicy.stamps import Stamps
from kit.spawning import policy

PATIENCE = Patience(grace=100.0, linger=20.0)
A, B = ("ns", "a"), ("ns", "b")
STAMPED = Stamps(labels={"hotpeers.dev/spawned": "true"})
INJECTIONS = (
    "a'] || true || request.name in ['",
    "a'",
    "a|b",
    "a\n",
    "a\\",
    "\u0430",  # a Cyrillic letter that looks like a
    "\u00aa",
    "a:b",
    "A",
    "-a",
    "a b",
    "a" * 254,
    "",
    "\u0661",
)


def agent(
    name: str, account: str = "", *, spawned: bool = False, place: str = "team"
) -> KnownAgent:
    return KnownAgent(place, name, "uid", account or name, STAMPED if spawned else Stamps())


def asking(
    *accounts: Account, leaving: tuple[Account, ...] = (), exact: bool = True, version: str = "1"
) -> Asking:
    return Asking("guard", version, 1, True, frozenset(accounts), frozenset(leaving), exact)


def applied(patch: list[dict[str, Any]], data: dict[str, Any]) -> dict[str, Any]:
    """Applies our patch as an API server does."""
    data, patch = json.loads(json.dumps([data, patch]))
    for operation in patch:
        *path, last = operation["path"].split("/")[1:]
        place: Any = data
        for key in path:
            place = place[int(key) if isinstance(place, list) else key]
        last = last.replace("~1", "/")
        if operation["op"] == "test":
            assert place[last] == operation["value"]
        else:
            place[last] = operation["value"]
    return data


def configuration(**metadata: Any) -> dict[str, Any]:
    webhook = {"name": "mutate.guard.hotpeers.dev", "failurePolicy": "Fail"}
    named = {"name": "guard", "resourceVersion": "7", **metadata}
    return {"metadata": named, "webhooks": [webhook, {**webhook, "name": "other"}]}


def test_subjects_their_agents_accounts_and_allowed_names_are_governed() -> None:
    subjects = policy(
        subjects=(
            SubjectRef(kind="ServiceAccount", name="tools"),
            SubjectRef(kind="Agent", name="lead"),
            SubjectRef(kind="Agent", name="to-come"),
        ),
        names=("worker-*", "helper"),
        targetNamespaces=("team", "elsewhere"),
    )
    agents = [
        agent("lead", "runs-as"),
        agent("bystander"),
        agent("tools", "not-a-subject-of-this-kind"),
        agent("lead", "other", place="elsewhere"),
    ]
    assert governed_accounts([subjects], agents) == {
        ("team", "tools"),
        ("team", "lead"),
        ("team", "runs-as"),
        ("team", "to-come"),
        # Only of its own namespace: a policy must not affect accounts of another namespace.
        ("team", "worker-*"),
        ("team", "helper"),
    }


def test_names_of_a_policy_for_another_namespace_are_no_range() -> None:
    there = policy(targetNamespaces=("elsewhere",), names=("worker-*",))
    here = policy(targetNamespaces=("team",), names=("worker-*",))
    assert ("team", "worker-*") in governed_accounts([here], [])
    assert not any(name.endswith("*") for _, name in governed_accounts([there], []))


@pytest.mark.parametrize("name", INJECTIONS)
def test_text_that_is_no_name_gets_into_no_condition(name: str) -> None:
    assert not is_account(("ns", name))
    assert not is_account((name, "a"))
    lead = agent("lead", name or " ")
    assert ("team", name) not in governed_accounts([policy()], [lead])
    if "'" not in name:
        assert accounts_of([{"expression": f"'|ns:{name}|ns:a|'.contains(x)"}]) == {A}


@pytest.mark.parametrize("name", ["*", "a*", "a-*", f"{'a' * 252}*"])
def test_range_of_names_is_an_entry(name: str) -> None:
    assert is_account(("ns", name))


@pytest.mark.parametrize("name", ["**", "a*b", "*a", "-*", f"{'a' * 253}*"])
def test_other_wildcards_are_not_accounts(name: str) -> None:
    assert not is_account(("ns", name))


_LABELS = st.text("ab-", min_size=1, max_size=3).filter(lambda one: one.strip("-") == one)
_ENTRIES = st.tuples(_LABELS, st.one_of(_LABELS, _LABELS.map(lambda one: f"{one}*"), st.just("*")))
_FORM = re.compile(
    r"(request\.userInfo\.username (<|>=) 'system:serviceaccount:[-a-z0-9.:]+' \|\| ){0,2}"
    r"('\|([-a-z0-9.:]+\|)+'\.contains\(request\.userInfo\.username"
    r"\.replace\('system:serviceaccount:', '\|', 1\) \+ '\|'\))?( \|\| )?"
    r"(\[('[-a-z0-9.:]+'(, )?)+\]\.exists\(one, request\.userInfo\.username"
    r"\.startsWith\('system:serviceaccount:' \+ one\)\))?",
    re.ASCII,
)


def is_true(expression: str, user: str) -> bool:
    """Evaluates a condition as an API server does, by translating its parts to Python."""
    for part in expression.split(" || "):
        if match := re.fullmatch(r"request\.userInfo\.username (<|>=) '([^']*)'", part):
            if (user < match[2]) if match[1] == "<" else (user >= match[2]):
                return True
        elif match := re.match(r"'([^']*)'\.contains", part):
            if user.replace("system:serviceaccount:", "|", 1) + "|" in match[1]:
                return True
        elif match := re.match(r"\[([^]]*)\]", part):
            starts = [f"system:serviceaccount:{one}" for one in re.findall("'([^']*)'", match[1])]
            if user.startswith(tuple(starts)):
                return True
        else:
            raise AssertionError(part)
    return False


@given(st.sets(st.tuples(st.text(max_size=70), st.text(max_size=70)), max_size=10))
def test_conditions_have_one_form_for_all_names(names: set[Account]) -> None:
    good = {one for one in names if is_account(one)} or {A}
    first, *others = conditions_of(good)
    assert first["expression"] == (
        "request.userInfo.username.matches('^system:serviceaccount:[-a-z0-9]+:[-a-z0-9.]+$')"
    )
    assert all(_FORM.fullmatch(one["expression"]) for one in others)


@given(st.sets(_ENTRIES, min_size=1), st.lists(st.tuples(_LABELS, _LABELS), max_size=20), st.data())
def test_conditions_match_exactly_the_covered_accounts(
    entries: set[Account], others: list[Account], data: Any
) -> None:
    in_stretch = data.draw(st.integers(1, 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hotpeers.controller.webhook_config.conditions._IN_STRETCH", in_stretch)
        conditions = conditions_of(entries)
    assert accounts_of(conditions) == entries
    cover = Cover(entries)
    named = [(namespace, name.removesuffix("*") or "x") for namespace, name in entries]
    for namespace, name in (*others, *named):
        user = f"system:serviceaccount:{namespace}:{name}"
        expected = (namespace, name) in entries or any(
            namespace == one and other.endswith("*") and name.startswith(other[:-1])
            for one, other in entries
        )
        assert ((namespace, name) in cover) is expected
        assert all(is_true(one["expression"], user) for one in conditions[1:]) is expected


def test_fitted_conditions_stay_within_the_limits_of_the_api_server() -> None:
    places = [f"{i:03}{'n' * 60}" for i in range(14)]
    long = {(place, f"{i:03}{'a' * 250}") for place in places for i in range(103)}
    short = {(f"n{i // 500}", f"a{i % 500}") for i in range(6_000)}
    wide = {(f"w{i // 500}", f"a{i % 500}-*") for i in range(6_000)}
    for entries in (long, short, wide, long | short | wide):
        kept = fitted(frozenset(entries))
        conditions = conditions_of(kept)
        assert len(conditions) <= 64
        assert max(len(one["expression"]) for one in conditions) < 100_000
        assert sum(len(one["expression"]) for one in conditions) < 750_000
        cover = Cover(kept)
        assert all(one in cover for one in entries)


def test_namespace_that_needs_too_much_is_matched_whole_and_no_other() -> None:
    greedy = {("greedy", f"a{i}") for i in range(MOST_IN_PLACE + 1)}
    wordy = {("wordy", f"{'a' * 240}{i}") for i in range(140)}
    modest = {("modest", f"a{i}") for i in range(MOST_IN_PLACE)}
    assert fitted(frozenset(greedy | wordy | modest)) == {
        ("greedy", WHOLE),
        ("wordy", WHOLE),
        *modest,
    }


def test_largest_namespaces_are_matched_whole_where_all_together_need_too_much() -> None:
    crowd = {(f"crowd-{place}", f"a{i}") for place in range(20) for i in range(500)}
    modest = {(f"modest-{place}", f"a{i}") for place in range(300) for i in range(5)}
    found = fitted(frozenset(crowd | modest))
    assert modest <= found
    assert len(found) <= MOST
    assert sum(len(namespace) + len(name) + 2 for namespace, name in found) <= MOST_CHARS


def test_a_patch_makes_a_configuration_ask_for_exactly_these() -> None:
    for data in (configuration(), configuration(annotations={"other": "kept"})):
        patch = asking_patch(read_asking(data), frozenset({A, B}), frozenset({B, ("ns", "c")}))
        made = applied(patch, data)
        found = read_asking(made)
        assert (found.accounts, found.leaving, found.exact) == ({A, B}, {B}, True)
        assert asking_patch(found, frozenset({A, B}), frozenset({B})) == []
        assert [one["rules"] for one in made["webhooks"]] == [RULES, RULES]
        assert json.loads(made["metadata"]["annotations"][LEAVING]) == {"ns": ["b"]}
        assert found.holds(frozenset({A}))
        assert not found.holds(frozenset({B})), "it is about to leave"


def test_patch_without_accounts_removes_all_rules() -> None:
    data = applied(
        asking_patch(read_asking(configuration()), frozenset({A}), frozenset()), configuration()
    )
    made = applied(asking_patch(read_asking(data), frozenset(), frozenset()), data)
    assert [(one["rules"], one["matchConditions"]) for one in made["webhooks"]] == [([], [])] * 2
    for one in made["webhooks"]:  # as the API server gives it back
        del one["rules"], one["matchConditions"]
    assert read_asking(made).exact


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data["webhooks"][0].pop("rules"),
        lambda data: data["webhooks"][1].pop("matchConditions"),
        lambda data: data["webhooks"][0]["matchConditions"][1].update(expression="false"),
        lambda data: data["webhooks"][0]["matchConditions"].append(
            {"name": "x", "expression": "false"}
        ),
        lambda data: data["webhooks"][0]["rules"][0].update(operations=["CREATE"]),
    ],
)
def test_edited_configuration_is_not_exact(edit: Any) -> None:
    data = configuration()
    data = applied(asking_patch(read_asking(data), frozenset({A, B}), frozenset()), data)
    edit(data)
    found = read_asking(data)
    assert not found.exact
    assert not found.holds(frozenset({A}))
    assert read_asking(applied(asking_patch(found, frozenset({A, B}), frozenset()), data)).exact


def test_what_lets_requests_by_is_told() -> None:
    data = configuration()
    assert read_asking(data).openings == ()
    data["webhooks"][0] |= {
        "failurePolicy": "Ignore",
        "objectSelector": {"matchLabels": {"a": "b"}},
    }
    data["webhooks"][1] |= {"namespaceSelector": {}}
    assert read_asking(data).openings == ("failurePolicy is Ignore", "it has a objectSelector")


def test_configuration_without_webhooks_covers_no_account() -> None:
    found = read_asking({"metadata": {"name": "guard"}})
    assert not found.holds(frozenset())


def release(found: list[Asking], clocks: Any, now: float, *wanted: Account) -> Any:
    return plan_release(found, frozenset(wanted), clocks, now, PATIENCE)


def test_an_account_is_marked_first_and_taken_out_later() -> None:
    both = [asking(A, B), asking(A, B)]
    plan = release(both, {}, 0.0, B)
    assert (plan.mark, plan.remove, plan.due) == (set(), set(), 80.0)
    plan = release(both, plan.clocks, 79.9, B)
    assert not plan.mark
    plan = release(both, plan.clocks, 80.0, B)
    assert (plan.mark, plan.remove) == ({A}, set())
    marked = [asking(A, B, leaving=(A,))] * 2
    plan = release(marked, plan.clocks, 81.0, B)
    assert (plan.remove, plan.due) == (set(), 101.0), "it is marked for the whole of its linger"
    plan = release(marked, plan.clocks, 101.0, B)
    assert plan.remove == {A}


def test_account_that_is_needed_again_resets_its_clock() -> None:
    marked = [asking(A, leaving=(A,))] * 2
    assert release(marked, {A: Clock(0.0, 80.0)}, 200.0, A).clocks == {}
    # Another replica relies on it, and took the mark away.
    plan = release([asking(A)] * 2, {A: Clock(0.0, 80.0)}, 90.0)
    assert (plan.mark, plan.clocks) == (set(), {A: Clock(90.0)})


def test_mark_counts_when_both_configurations_have_it() -> None:
    half = [asking(A, leaving=(A,)), asking(A)]
    plan = release(half, {A: Clock(0.0)}, 100.0)
    assert (plan.mark, plan.remove) == ({A}, set())
    # A mark in only one configuration is left over from an interrupted write.
    alone = [asking(A, leaving=(A,)), asking()]
    assert release(alone, {A: Clock(0.0, 80.0)}, 100.0).remove == {A}


def test_new_leader_restarts_the_clocks_of_marked_accounts() -> None:
    marked = [asking(A, leaving=(A,))] * 2
    plan = release(marked, {}, 1000.0)
    assert (plan.remove, plan.due) == (set(), 1100.0)


def test_marks_of_missing_accounts_are_ignored() -> None:
    found = read_asking(configuration(annotations={LEAVING: '{"ns":["b"]}'}))
    assert found.leaving == frozenset()
