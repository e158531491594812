"""When a SpawnPolicy is warned about, and how often."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hotpeers.controller.metrics import ControllerMetrics
from hotpeers.controller.status.warnings import Usage, Warnings, absent_agents, usage_of
from hotpeers.spawnpolicy.known import KnownPolicy, read_known_policy
from kit.waiting import until_async

LIMITS = {
    "maxAgents": 10,
    "creates": {"count": 9, "window": "10m"},
    "ttl": {"default": "1m", "max": "1h"},
}


class Written:
    """Takes the Events that would be created."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    async def post(self, path: str, body: Any) -> Any:
        about = body["involvedObject"]
        self.events.append((about["name"], body["reason"], body["message"]))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def policy(*subjects: tuple[str, str], limits: Any = LIMITS) -> KnownPolicy:
    named = [{"kind": kind, "name": name} for kind, name in subjects]
    spec = {"subjects": named, **({"limits": limits} if limits else {})}
    metadata = {"name": "workers", "namespace": "team", "uid": "u1"}
    return read_known_policy(
        {
            "apiVersion": "hotpeers.dev/v1alpha1",
            "kind": "SpawnPolicy",
            "metadata": metadata,
            "spec": spec,
        }
    )


def usage(alive: int | None, *, uid: str = "u1", governs: bool = True) -> Usage:
    return Usage("team/workers", uid, alive, 10, governs)


async def reported(written: Written, warnings: Warnings, count: int) -> list[str]:
    task = asyncio.create_task(warnings.run())
    try:
        await until_async(f"{count} Events", lambda: len(written.events) >= count)
    finally:
        task.cancel()
    return [reason for _, reason, _ in written.events]


@pytest.mark.parametrize(
    ("subjects", "there", "governs", "absent"),
    [
        ([("Agent", "lead")], {"lead"}, True, ()),
        ([("Agent", "lead")], set(), False, ("lead",)),
        ([("Agent", "lead"), ("Agent", "other")], {"other"}, True, ("lead",)),
        ([("Agent", "lead"), ("ServiceAccount", "lead")], set(), True, ("lead",)),
        ([], {"lead"}, False, ()),
    ],
)
def test_policy_governs_if_any_of_its_subjects_may_exist(
    subjects: list[tuple[str, str]], there: set[str], governs: bool, absent: tuple[str, ...]
) -> None:
    one = policy(*subjects)
    found = usage_of(one, 3, absent_agents(one, there))
    assert (found.governs, found.absent, found.most, found.share) == (governs, absent, 10, 0.3)


def test_policy_without_limits_or_with_unknown_counts_is_never_near_a_limit() -> None:
    assert usage_of(policy(limits=None), 500, ()).share == 0.0
    assert usage_of(policy(), None, ()).share == 0.0


async def test_policy_near_its_limit_is_warned_about_once_until_it_has_recovered() -> None:
    written, writer = Written(), None
    writer = written
    clock = Clock()
    warnings = Warnings(writer, lambda: None, clock=clock)  # type: ignore[arg-type]
    for alive in (8, 9, 10, 8, 9, 10):
        warnings.look([usage(alive)])
    assert await reported(written, warnings, 1) == ["AgentsNearLimit"]
    assert written.events[0][2] == "9 of at most 10 agents exist; further ones are denied"
    # It recovers and fills again within the hour: the same Event is not written again.
    for alive in (3, 9):
        warnings.look([usage(alive)])
    warnings.look([usage(9, uid="u2")])
    assert await reported(written, warnings, 2) == ["AgentsNearLimit", "AgentsNearLimit"]


async def test_policy_without_subjects_is_warned_about_after_its_patience() -> None:
    written, clock = Written(), Clock()
    warnings = Warnings(written, lambda: None, clock=clock)  # type: ignore[arg-type]
    lonely = Usage("team/workers", "u1", 0, 10, governs=False, absent=("a", "b", "c", "d"))
    for clock.now in range(0, 600, 5):
        warnings.look([lonely, usage(0, uid="u2")])
    assert written.events == []
    for clock.now in range(600, 1200, 5):
        warnings.look([lonely, Usage("team/empty", "u3", 0, 10, governs=False)])
    for clock.now in range(1200, 1210, 5):
        warnings.look([lonely, Usage("team/empty", "u3", 0, 10, governs=False)])
    assert await reported(written, warnings, 2) == ["GovernsNoSubject"] * 2
    assert [note for _, _, note in written.events] == [
        "It governs no agent: its namespace has no Agent a, b, c and 1 more; correct spec.subjects",
        "It names no subjects, and so governs no agent: name one in spec.subjects",
    ]


async def test_flood_of_policies_makes_a_bounded_number_of_events_and_series() -> None:
    written, lost = Written(), []
    warnings = Warnings(written, lambda: lost.append(1))  # type: ignore[arg-type]
    usages = [Usage(f"t/p{n}", f"u{n}", n % 10 + 1, 10, governs=False) for n in range(2000)]
    warnings.look(usages)
    assert len(lost) == 2000 * 2 // 10 - 100
    metrics = ControllerMetrics()
    metrics.show_policies(usages)
    lines = metrics.text().decode().splitlines()
    assert sum(line.startswith("hotpeers_policy_agents{") for line in lines) == 100
    assert "hotpeers_policies_without_subjects 2000.0" in lines
    # Those that are used up most are shown.
    assert all(
        line.endswith(" 10.0") for line in lines if line.startswith("hotpeers_policy_agents{")
    )
    metrics.show_policies(())
    assert "hotpeers_policy_agents{" not in metrics.text().decode()
