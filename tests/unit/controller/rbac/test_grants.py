"""Planning of bindings: from pods, namespaces and bindings to creations and deletions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.controller.rbac.grants import (
    DEFINITIONS,
    FEEDBACK,
    GRACE_SECONDS,
    PEERS,
    Account,
    Binding,
    Existing,
    Invitation,
    make_plan,
    manifest_of,
    read_binding,
    read_invitation,
    read_pod,
    wanted_bindings,
)
from hotpeers.controller.reasons import ControllerReason
from hotpeers.model.selector import parse_selector
from kit.controller.injected import injected

ALICE = Account("home", "alice")
WITHOUT_OURS: list[list[Any]] = [
    [],
    [{"name": "hotpeers", "image": "hotpeers:1"}],
    [{"name": "hotpeers", "image": "hotpeers:1", "volumeMounts": []}],
    [
        {
            "name": "hotpeers",
            "volumeMounts": [{"name": "hotpeers-peers", "mountPath": "/somewhere/else"}],
        }
    ],
    [
        {
            "name": "another",
            "volumeMounts": [{"name": "hotpeers-peers", "mountPath": "/var/run/hotpeers/peers"}],
        }
    ],
]
OWN = {
    Binding(PEERS, "home", ALICE),
    Binding(FEEDBACK, "home", ALICE),
    Binding(DEFINITIONS, "", ALICE),
}


def raw_pod(account: Account = ALICE, namespaces: str = "") -> Any:
    return {
        "metadata": {
            "name": "p",
            "namespace": account.namespace,
            "annotations": {"hotpeers.dev/namespaces": namespaces},
        },
        "spec": {
            "serviceAccountName": account.name,
            "containers": [{"name": "kagent", "image": "agent"}],
        },
    }


def pod(account: Account = ALICE, namespaces: str = "", phase: str = "Running") -> Any:
    return read_pod({**injected(raw_pod(account, namespaces)), "status": {"phase": phase}})


def invitation(name: str, labels: dict[str, str] | None = None, said: str = "") -> Invitation:
    metadata = {"name": name, "labels": labels, "annotations": {"hotpeers.dev/readers": said}}
    return read_invitation({"metadata": metadata}, parse_selector("team notin (secret)"))


def invitations(**readers: str) -> dict[str, Invitation]:
    return {name: invitation(name, said=said) for name, said in {"home": "", **readers}.items()}


def made(binding: Binding, **change: Any) -> Existing:
    data = manifest_of(binding, None)
    data["metadata"]["uid"] = "u"
    return read_binding({**data, **change})


def test_own_namespace_events_and_definitions() -> None:
    wanted, problems = wanted_bindings([pod()], invitations())
    assert wanted == OWN
    assert problems == ()


def test_two_pods_of_one_account_share_their_bindings() -> None:
    assert wanted_bindings([pod(), pod()], invitations())[0] == OWN


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_ended_pods_need_no_binding(phase: str) -> None:
    assert wanted_bindings([pod(phase=phase)], invitations())[0] == frozenset()


def test_pod_without_an_account_has_the_default_one() -> None:
    made = injected(raw_pod())
    del made["spec"]["serviceAccountName"]
    read = read_pod(made)
    assert (read.account, read.namespaces, read.live) == (Account("home", "default"), set(), True)


@pytest.mark.parametrize("native_sidecars", [True, False])
def test_pod_with_our_sidecar_is_bound_whichever_kind_it_is(native_sidecars: bool) -> None:
    read = read_pod(injected(raw_pod(), native_sidecars=native_sidecars))
    assert wanted_bindings([read], invitations())[0] == OWN


@pytest.mark.parametrize("containers", WITHOUT_OURS, ids=str)
def test_label_without_our_sidecar_binds_nobody(containers: list[Any]) -> None:
    by_hand = raw_pod()
    by_hand["metadata"]["labels"] = {"hotpeers.dev/injected": "true"}
    by_hand["spec"]["containers"] += containers
    assert wanted_bindings([read_pod(by_hand)], invitations()) == (frozenset(), ())


@pytest.mark.parametrize(
    "labels", [{"hotpeers.dev/injection": "disabled"}, {"team": "secret"}], ids=str
)
def test_namespace_where_nothing_may_be_injected_binds_nobody(labels: dict[str, str]) -> None:
    closed = {"home": invitation("home", labels)}
    bindings, (problem,) = wanted_bindings([pod(), pod()], closed)
    assert bindings == frozenset()
    assert (problem.where, problem.reason) == (
        "Namespace/home",
        ControllerReason.INJECTION_DISABLED,
    )
    # At once, with the one of the cluster: rights that were withdrawn get no grace.
    plan = make_plan(frozenset(), [made(one) for one in OWN], closed, {}, 0.0)
    assert {one.binding for one in plan.deletes} == OWN


@pytest.mark.parametrize("labels", [{"hotpeers.dev/injection": "enabled"}, {"team": "a"}], ids=str)
def test_namespace_with_another_label_binds(labels: dict[str, str]) -> None:
    assert wanted_bindings([pod()], {"home": invitation("home", labels)}) == (OWN, ())


@pytest.mark.parametrize("said", ["*", "home", "home/alice", "other, home/alice", "x\nhome"])
def test_other_namespace_that_invites(said: str) -> None:
    wanted, problems = wanted_bindings([pod(namespaces="away")], invitations(away=said))
    assert wanted == OWN | {Binding(PEERS, "away", ALICE)}
    assert problems == ()


@pytest.mark.parametrize("said", ["", "other", "home/bob", "homes", "home/alice2", "**", "alice"])
def test_other_namespace_that_does_not_invite(said: str) -> None:
    wanted, problems = wanted_bindings([pod(namespaces="away")], invitations(away=said))
    assert wanted == OWN
    assert [(item.where, item.reason) for item in problems] == [
        ("Namespace/away", ControllerReason.READERS_NOT_INVITED)
    ]
    assert "home/alice" in problems[0].message


def test_namespace_that_does_not_exist_is_named() -> None:
    (problem,) = wanted_bindings([pod(namespaces="nowhere")], invitations())[1]
    assert problem.message == "it does not exist, and pods of home/alice ask for its peers"


def test_every_namespace_is_left_to_the_operator() -> None:
    assert wanted_bindings([pod(namespaces="*")], invitations(away="*")) == (OWN, ())


def test_no_binding_is_created_in_a_missing_namespace() -> None:
    assert wanted_bindings([pod()], {})[0] == frozenset()


def test_only_missing_bindings_are_created() -> None:
    there = Binding(PEERS, "home", ALICE)
    plan = make_plan(frozenset(OWN), [made(there)], invitations(), {}, 0.0)
    assert set(plan.creates) == OWN - {there}
    assert plan.deletes == ()


def test_unused_binding_is_deleted_after_the_grace_period() -> None:
    one = made(Binding(PEERS, "home", ALICE))
    plan = make_plan(frozenset(), [one], invitations(), {}, 100.0)
    assert (plan.deletes, plan.idle, plan.due) == ((), {one.key: 100.0}, 100.0 + GRACE_SECONDS)
    plan = make_plan(frozenset(), [one], invitations(), plan.idle, 99.0 + GRACE_SECONDS)
    assert plan.deletes == ()
    plan = make_plan(frozenset(), [one], invitations(), plan.idle, 100.0 + GRACE_SECONDS)
    assert plan.deletes == (one,)


def test_pod_that_comes_back_resets_the_grace_period() -> None:
    binding = Binding(PEERS, "home", ALICE)
    plan = make_plan(frozenset(), [made(binding)], invitations(), {}, 0.0)
    plan = make_plan(frozenset({binding}), [made(binding)], invitations(), plan.idle, 50.0)
    assert plan.idle == {}


def test_withdrawn_invitation_deletes_the_binding_at_once() -> None:
    away = made(Binding(PEERS, "away", ALICE))
    assert make_plan(frozenset(), [away], invitations(away="home"), {}, 0.0).deletes == ()
    assert make_plan(frozenset(), [away], invitations(away="bob"), {}, 0.0).deletes == (away,)


def test_changed_binding_is_recreated() -> None:
    binding = Binding(PEERS, "home", ALICE)
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
    changed = made(binding, roleRef=role)
    assert changed.binding is None
    plan = make_plan(frozenset({binding}), [changed], invitations(), {}, 0.0)
    assert (plan.creates, plan.deletes) == ((binding,), (changed,))


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"name": "hotpeers-peers-home-alice", "namespace": "home", "uid": "u"}},
        {"subjects": []},
        {"subjects": [{"kind": "User", "name": "alice"}]},
        {"roleRef": {"kind": "ClusterRole", "name": "hotpeers-peers"}},
    ],
)
def test_bindings_of_others_are_never_deleted(change: dict[str, Any]) -> None:
    foreign = made(Binding(PEERS, "home", ALICE), **change)
    assert foreign.binding is None
    plan = make_plan(frozenset(), [foreign], invitations(), {foreign.key: -1e9}, 0.0)
    assert (plan.deletes, plan.idle) == ((), {})


names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
accounts = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?", fullmatch=True)
bindings = st.builds(
    Binding,
    st.sampled_from([PEERS, FEEDBACK, DEFINITIONS]),
    st.one_of(st.just(""), names),
    st.builds(Account, names, accounts),
)


@given(bindings)
def test_written_binding_is_recognized(binding: Binding) -> None:
    assert made(binding) == Existing(binding.key, "u", binding)
    assert len(binding.name) <= 253


@given(bindings, bindings)
def test_names_are_different(one: Binding, other: Binding) -> None:
    assert (one.name == other.name) == (one == other)


def test_names_that_read_alike_are_different() -> None:
    assert (
        Binding(PEERS, "x", Account("a-b", "c")).name
        != Binding(PEERS, "x", Account("a", "b-c")).name
    )
