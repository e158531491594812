"""The guard on a real node: expiry, depth, and a missing guard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

import pytest

from e2e.kagent import Agent
from e2e.pods import wait_for_pod
from e2e.release import Release
from e2e.team import LEAD, SPAWN, Team, helper
from e2e.timings import Timings
from kit.apiserver.client import Access, Api, ApiError
from kit.node.node import Node
from kit.waiting import until

_SECONDS = 60.0


def test_agent_is_deleted_when_its_time_is_over(team: Team, timings: Timings) -> None:
    talk, name = team.talk(), "helper-short"
    manifest = helper(team.stage.namespace, name, "Hello.", ttl="6s")
    expires = datetime.fromisoformat(talk.create(manifest)["expires-at"]).timestamp()
    until(f"{name} to be deleted", lambda: name not in team.agents(), _SECONDS)
    late = time.time() - expires
    timings.note("spawning: expires-at → deleted", late)
    assert late >= 0
    team.wait_until_gone(name, pods=False)


def test_spawners_that_spawn_spawners_stop_at_the_depth_of_the_policy(
    node: Node, team: Team
) -> None:
    stage = team.stage
    deputy = Agent(stage.namespace, "deputy-one")
    manifest = helper(stage.namespace, deputy.name, "Yes.", **SPAWN)
    first = team.talk()
    assert first.create(manifest)["depth"] == "1"
    wait_for_pod(stage.api, stage.namespace, deputy.selector)
    second = team.talk(deputy)
    again = helper(stage.namespace, "deputy-two", "Yes.", **SPAWN)
    assert "TooDeep" in second.apply(again)["message"]
    plain = helper(stage.namespace, "helper-deep", "Yes.")
    assert second.create(plain)["depth"] == "2"
    # The agent cannot spawn deeper, even with its own token.
    deepest = until(
        "its account", lambda: account_of(node, stage.namespace, "helper-deep"), _SECONDS
    )
    with closing(deepest), pytest.raises(ApiError, match="TooDeep"):
        deepest.create(helper(stage.namespace, "helper-deeper", "Yes."))
    assert first.use("delete_spawned_agent", name=deputy.name)["deleted"] is True
    # Its spawned agents are deleted with it.
    team.wait_until_gone("helper-deep", pods=False)
    team.wait_until_gone(deputy.name, pods=False)


def account_of(node: Node, namespace: str, name: str) -> Api | None:
    """The API as this ServiceAccount sees it; None where there is no such account yet."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    try:
        token = node.api.request("POST", path, wanted)["status"]["token"]
    except ApiError:
        return None
    return Api(Access(node.url, node.authority, token=token))


@pytest.fixture
def no_controller(release: Release) -> Iterator[None]:
    release.scale(0)
    yield
    release.scale(2)


def test_guard_that_is_down_stops_only_orchestrators(team: Team, no_controller: None) -> None:
    talk, stage = team.talk(), team.stage
    refused = talk.apply(helper(stage.namespace, "helper-none", "Yes."))
    assert refused["reason"] == "AdmissionSilent"
    assert "guard.hotpeers.dev" in refused["message"]
    byhand = helper(stage.namespace, "helper-by-hand", "Yes.")
    stage.api.create(byhand)
    wait_for_pod(stage.api, stage.namespace, Agent(stage.namespace, "helper-by-hand").selector)
    assert team.agents() == {LEAD, "helper-by-hand"}
    stage.api.delete(byhand)
    team.wait_until_gone("helper-by-hand")
    team.check_undisturbed()
