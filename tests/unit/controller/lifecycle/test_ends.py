"""Which spawned agents end, and why."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.controller.election import LeaderClient
from hotpeers.controller.lifecycle.ends import Around, Cause, EndPlan, plan_ends, read_time
from hotpeers.controller.lifecycle.expiry import Expiry
from hotpeers.controller.quota.ledger import DeletionPolicy
from hotpeers.controller.reasons import ControllerReason
from hotpeers.kube.client import Client
from hotpeers.spawnpolicy.known import KnownAgent, KnownPolicy
from hotpeers.spawnpolicy.stamps import (
    ACCOUNT,
    EXPIRES,
    POLICY,
    SPAWNED,
    SPAWNED_BY,
    UID,
    Stamps,
    written,
)

NOW = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
AROUND = Around(frozenset({"team/workers"}))
LEAD = KnownAgent("team", "lead", "lead-uid", "lead", Stamps())


def worker(name: str = "worker", **stamps: str | None) -> KnownAgent:
    """A spawned agent with another stamp, or without one (None)."""
    annotations: dict[str, str | None] = {
        SPAWNED_BY: "team/lead",
        ACCOUNT: "team/lead",
        UID: "lead-uid",
        POLICY: "team/workers",
        EXPIRES: written(NOW + timedelta(seconds=30)),
        **{f"hotpeers.dev/{key.replace('_', '-')}": value for key, value in stamps.items()},
    }
    kept = {key: value for key, value in annotations.items() if value is not None}
    return KnownAgent("team", name, f"{name}-uid", name, Stamps(kept, {SPAWNED: "true"}))


def plan(*agents: KnownAgent, around: Around = AROUND, **more: Any) -> EndPlan:
    return plan_ends([LEAD, *agents], around, **{"now": NOW, "moment": 0.0, **more})


def causes(found: EndPlan) -> dict[str, Cause]:
    return {one.agent.name: one.cause for one in found.endings}


def test_agent_expires_exactly_at_its_time() -> None:
    assert causes(plan(worker())) == {}
    assert plan(worker()).due == 30.0
    at = NOW + timedelta(seconds=30)
    assert causes(plan(worker(), now=at - timedelta(microseconds=1))) == {}
    assert causes(plan(worker(), now=at)) == {"worker": Cause.EXPIRED}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "soon",
        "2020-01-01",
        "2020-01-01T00:00:00",
        "2020-01-01T00:00:00+00:00",
        "2020-1-1T0:0:0Z",
        "2020-01-01T00:00:00Z ",
        "2020-13-01T00:00:00Z",
        "\u0662\u0660\u0662\u0660-01-01T00:00:00Z",
    ],
)
def test_unreadable_expiry_is_reported_and_ends_no_agent(text: str | None) -> None:
    found = plan(worker(expires_at=text), now=NOW + timedelta(days=3650))
    assert causes(found) == {}
    assert [(one.where, one.reason) for one in found.problems] == [
        ("Agent/team/worker", ControllerReason.STAMP_UNREADABLE)
    ]


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1)))
def test_time_survives_a_round_trip(moment: datetime) -> None:
    whole = moment.replace(microsecond=0, tzinfo=UTC)
    assert read_time(written(whole)) == whole


@given(st.text(max_size=30))
def test_read_time_accepts_any_text(text: str) -> None:
    found = read_time(text)
    assert found is None or written(found) == text


def test_agents_without_the_guards_stamps_are_never_ended() -> None:
    old = written(NOW - timedelta(days=1))
    spawned = worker(expires_at=old)
    unlabelled = replace(spawned, stamps=Stamps(spawned.stamps.annotations, {}))
    other = replace(spawned, stamps=Stamps(spawned.stamps.annotations, {SPAWNED: "yes"}))
    ending = replace(spawned, ending=True)
    found = plan(LEAD, unlabelled, other, ending, around=Around(frozenset()), moment=1e9)
    assert (found.endings, found.problems) == ((), ())


def test_a_policy_must_be_gone_for_its_time() -> None:
    gone = Around(frozenset(), {"team/workers": "Delete"})
    first = plan(worker(), around=gone, moment=100.0)
    assert (causes(first), first.ask) == ({}, set())
    since = replace(gone, since=first.since)
    assert causes(plan(worker(), around=since, moment=159.9)) == {}
    assert causes(plan(worker(), around=since, moment=160.0)) == {"worker": Cause.POLICY_GONE}


def test_owner_that_is_back_resets_the_gone_since_timer() -> None:
    first = plan(worker(), around=Around(frozenset()), moment=0.0)
    back = plan(worker(), around=replace(AROUND, since=first.since), moment=30.0)
    assert back.since == {}
    again = plan(worker(), around=Around(frozenset(), since=back.since), moment=61.0)
    assert (causes(again), again.ask) == ({}, set())


def test_deletion_policy_decides_about_agents_of_a_missing_policy() -> None:
    gone = Around(frozenset(), since={"policy team/workers": 0.0})
    assert plan(worker(), around=gone, moment=60.0).ask == {"team/workers"}
    for word, expected in (("Delete", {"worker": Cause.POLICY_GONE}), ("Retain", {})):
        said = Around(frozenset(), {"team/workers": word}, since=gone.since)  # type: ignore[dict-item]
        found = plan(worker(), around=said, moment=60.0)
        assert (causes(found), found.ask) == (expected, set())
    # Retained or not, its own time ends.
    late = plan(worker(), around=said, moment=60.0, now=NOW + timedelta(hours=1))
    assert causes(late) == {"worker": Cause.EXPIRED}


def test_recreated_orchestrator_does_not_keep_its_agents() -> None:
    assert plan(worker()).since == {}
    for around in ([], [replace(LEAD, uid="another")]):
        first = plan_ends([*around, worker()], AROUND, NOW, 0.0)
        since = replace(AROUND, since=first.since)
        assert causes(plan_ends([*around, worker()], since, NOW, 59.9)) == {}
        found = plan_ends([*around, worker()], since, NOW, 60.0)
        assert causes(found) == {"worker": Cause.ORCHESTRATOR_GONE}


def test_owner_that_is_being_deleted_is_not_gone() -> None:
    found = plan_ends([replace(LEAD, ending=True), worker()], AROUND, NOW, 0.0)
    assert found.since == {}


def test_an_account_is_checked_first() -> None:
    child = worker(
        spawned_by=None, spawned_by_uid="tools-uid", spawned_by_serviceaccount="team/tools"
    )
    first = plan(child)
    assert (causes(first), first.look_at, first.since) == ({}, {("team", "tools")}, {})
    there = replace(AROUND, accounts={("team", "tools"): "tools-uid"})
    assert plan(child, around=there).since == {}
    for uid in ("", "another"):
        gone = replace(AROUND, accounts={("team", "tools"): uid})
        since = replace(gone, since=plan(child, around=gone).since)
        assert causes(plan(child, around=since, moment=59.9)) == {}
        found = plan(child, around=since, moment=60.0)
        assert causes(found) == {"worker": Cause.ORCHESTRATOR_GONE}


def test_agent_without_an_owner_uid_or_account_is_not_ended() -> None:
    found = plan(worker("a", spawned_by_uid=None), worker("b", spawned_by_uid=""), moment=1e9)
    assert (causes(found), found.since) == ({}, {})
    strange = worker("c", spawned_by=None, spawned_by_serviceaccount="nowhere")
    assert plan(strange).look_at == set()


def test_due_is_the_next_thing_that_may_end() -> None:
    found = plan(worker("a"), worker("b", expires_at=written(NOW + timedelta(seconds=7))))
    assert found.due == 7.0
    assert plan(LEAD).due is None


class Fake(LeaderClient):
    """Records deletions."""

    def __init__(self) -> None:
        super().__init__(cast("Client", None), lambda: True)
        self.deleted: list[str] = []

    async def delete(self, path: str, uid: str = "") -> Any:
        self.deleted.append(uid)

    async def post(self, path: str, body: Any) -> Any:
        return body


@dataclass
class World:
    """One agent whose policy is gone.

    With `clear`, the cache is still fresh after the ledger read.
    """

    clear: bool
    known: bool = True

    def agents(self) -> list[KnownAgent]:
        later = written(datetime.now(UTC) + timedelta(hours=1))
        return [LEAD, worker(expires_at=later)]

    def policies(self) -> list[KnownPolicy]:
        return []

    def fresh(self) -> bool:
        return self.known

    async def deletion_policy(self, key: str) -> DeletionPolicy:
        assert key == "team/workers"
        self.known = self.clear
        return "Delete"


@pytest.mark.parametrize("clear", [True, False])
async def test_agent_is_not_ended_when_the_cache_turns_stale_during_a_read(clear: bool) -> None:
    writer, world = Fake(), World(clear)
    await Expiry(writer, world, world, gone_after=0.0)._end()
    assert writer.deleted == (["worker-uid"] if clear else [])
