"""The objects of an injected workload, and what the controller changes in its status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hotpeers.base.names import NamespacedName
from hotpeers.controller.workloads.objects import (
    Existing,
    binding_of,
    binds,
    has_replicas,
    hidden_message,
    orchestrator_of,
    read_existing,
    role_name,
    role_of,
    status_change,
)
from hotpeers.controller.workloads.pods import Owner, Workload
from hotpeers.model.orchestrator import read_orchestrator
from hotpeers.model.orchestrator_status import format_time

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OWNER = Owner("apps/v1", "Deployment", "lead", "d")
WORKLOAD = Workload(NamespacedName("ns", "lead"), OWNER)


def existing(**status: Any) -> Existing:
    made = orchestrator_of(WORKLOAD)
    made["metadata"] |= {"uid": "u1", "generation": 3}
    return read_existing({**made, "status": status})


def test_orchestrator_belongs_to_the_workload_and_does_not_use_the_hub() -> None:
    one = existing()
    assert (one.is_ours, one.owner_uids, one.generation) == (True, frozenset({"d"}), 3)
    made = orchestrator_of(WORKLOAD)
    made["metadata"]["uid"] = "u1"
    assert not read_orchestrator(made).uses_hub


def test_role_is_for_one_object_and_names_are_bounded_and_differ() -> None:
    (rule,) = role_of(existing())["rules"]
    assert rule["resourceNames"] == ["lead"]
    assert rule["verbs"] == ["get", "patch"]
    long = "x" * 252
    names = {role_name("lead"), role_name(long + "a"), role_name(long + "b")}
    assert len(names) == 3
    assert max(map(len, names)) <= 253


def test_binding_that_was_changed_is_noticed() -> None:
    wanted = binding_of(existing(), ["b", "a"])
    assert [one["name"] for one in wanted["subjects"]] == ["a", "b"]
    assert binds(wanted, wanted)
    for odd in (
        {},
        None,
        {**wanted, "subjects": wanted["subjects"][:1]},
        {**wanted, "roleRef": {}},
    ):
        assert not binds(odd, wanted)
    metadata = {**wanted["metadata"], "ownerReferences": [{"uid": "earlier"}]}
    assert not binds({**wanted, "metadata": metadata}, wanted)


def test_reports_of_pods_that_ended_are_removed_but_not_those_of_new_pods() -> None:
    def at(seconds: float) -> dict[str, str]:
        return {"time": format_time(NOW - timedelta(seconds=seconds)), "live": "False"}

    ended = {"ended": at(60), "ended-of-a-wrong-clock": at(-100_000)}
    replicas = {"lead-1": {**at(60), "live": "True"}, "new": at(1), **ended}
    change = status_change(existing(replicas=replicas), ["lead-1"], "", NOW)
    assert change["replicas"] == dict.fromkeys(ended)
    assert change["conditions"][0]["status"] == "False"  # that of the new pod
    assert status_change(existing(replicas={"lead-1": at(60)}), ["lead-1"], "", NOW) == {}


def test_hold_is_shown_while_it_lasts() -> None:
    assert status_change(existing(), [], "since noon", NOW) == {"held": "since noon"}
    assert status_change(existing(held="since noon"), [], "since noon", NOW) == {}
    assert status_change(existing(held="since noon"), [], "", NOW) == {"held": None}


def test_replicas_of_a_workload() -> None:
    assert has_replicas({})
    assert not has_replicas({"replicas": 0})


def test_workload_of_the_same_name_is_a_condition_while_it_is_there() -> None:
    rivals = frozenset({Owner("apps/v1", "StatefulSet", "lead", "s")})
    said = hidden_message(Workload(WORKLOAD.key, OWNER, hidden=rivals))
    one = existing(conditions=[{"type": "Live", "status": "True"}])
    change = status_change(one, (), "", NOW, said)
    live, unique = change["conditions"]
    assert (live["type"], unique["type"], unique["status"]) == ("Live", "NameUnique", "False")
    assert unique["reason"] == "WorkloadHidden"
    assert unique["message"].startswith(
        "StatefulSet lead is not shown, because Deployment lead has "
    )
    shown = existing(**change)
    assert status_change(shown, (), "", NOW + timedelta(hours=1), said) == {}
    assert status_change(shown, (), "", NOW) == {"conditions": [live]}


def test_message_about_other_workloads_is_bounded_and_clean() -> None:
    """Anybody who creates pods may name any owners."""
    rivals = [Owner("x/v1", f"K\x1b[31m{n}" * 99, "lead", "u") for n in range(500)]
    said = hidden_message(Workload(WORKLOAD.key, OWNER, hidden=frozenset(rivals)))
    assert len(said) < 1024
    assert said.isprintable()
    assert "and 498 more" in said
    assert hidden_message(WORKLOAD) == ""
