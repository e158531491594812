"""Versions change with what may be seen, and with nothing else."""

from __future__ import annotations

import asyncio

from hotpeers.console.records import read_peer_record
from hotpeers.console.world import Visible, World
from kit.apiserver.resources import peer
from kit.console.objects import status_of

ALL = Visible(everything=True)
TEAM = Visible(namespaces=frozenset({"team"}))


def test_version_changes_only_with_visible_namespaces(scene) -> None:
    before, everything = scene.world.version(TEAM), scene.world.version(ALL)
    scene.show("other", "secret-lead", status_of([]))
    assert scene.world.version(TEAM) == before
    assert scene.world.version(ALL) != everything
    scene.show("team", "lead", status_of([]))
    assert scene.world.version(TEAM) != before


def test_deleted_object_changes_the_version(scene) -> None:
    before = scene.world.view(TEAM)
    scene.world.note("peers", before.peers[0], None)
    assert scene.world.view(TEAM).peers == ()
    assert scene.world.version(TEAM) != before.version


def test_view_has_nothing_of_other_namespaces(scene) -> None:
    view = scene.world.view(TEAM)
    records = [*view.orchestrators, *view.peers, *view.agents, *view.policies]
    assert {one.key.namespace for one in records} == {"team"}
    assert len(records) == 4


def test_nothing_is_visible_without_rights(scene) -> None:
    view = scene.world.view(Visible())
    assert (view.orchestrators, view.peers, view.agents, view.policies) == ((), (), (), ())


def test_view_is_shared_until_something_changes(scene) -> None:
    assert scene.world.view(TEAM) is scene.world.view(TEAM)


def test_version_of_another_process_is_never_current(scene) -> None:
    assert World().version(ALL) != World().version(ALL)


def test_agents_of_both_generations_may_have_one_name(scene) -> None:
    agent = scene.world.view(TEAM).agents[0]
    scene.world.note("agents", None, agent, "api.kagent.dev")
    scene.world.note("agents", agent, None, "api.kagent.dev")
    assert scene.world.view(TEAM).agents == (agent,)


def test_state_of_the_watches_changes_the_version_of_every_user(scene) -> None:
    users = [TEAM, ALL, Visible(), Visible(namespaces=frozenset({"empty"}))]
    before = [scene.world.version(one) for one in users]
    scene.world.touch()
    after = [scene.world.version(one) for one in users]
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_emptied_namespace_is_forgotten(scene) -> None:
    both = Visible(namespaces=frozenset({"team", "brief"}))
    only = read_peer_record(peer("brief", "only"))
    scene.world.note("peers", None, only)
    scene.world.note("peers", read_peer_record(peer("team", "weather")), None)
    before, hidden = scene.world.version(both), scene.world.version(TEAM)
    scene.world.note("peers", only, None)
    assert scene.world.version(both) != before
    assert scene.world.version(TEAM) == hidden
    assert "brief" not in scene.world.namespaces()
    assert "brief" not in scene.world._shelves


async def test_a_burst_of_changes_is_published_once(scene) -> None:
    task = asyncio.create_task(scene.world.publish())
    woken = 0
    try:
        waiting = asyncio.create_task(scene.world.changes())
        await asyncio.sleep(0)
        scene.put("peers", *(peer("team", f"p{number}") for number in range(100)))
        async with asyncio.timeout(5):
            await waiting
        woken += 1
        again = asyncio.create_task(scene.world.changes())
        done, _ = await asyncio.wait({again}, timeout=0.3)
        again.cancel()
        assert (woken, done) == (1, set())
    finally:
        task.cancel()
