"""A limit of 10, and 200 who want in at once, over two replicas of which one is killed."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.admission.attempts import AGENTS
from cluster.admission.crowd import Crowd, Watcher
from cluster.admission.scene import MANY, SYSTEM, Scene, scene
from hotpeers.controller.quota.ledger_text import read_ledger
from hotpeers.controller.quota.ledgers import ledger_name
from kit.apiserver.client import Api
from kit.apiserver.server import Cluster
from kit.controller.scene import read
from kit.waiting import until

LIMIT, CLIENTS = 10, 200
# A slot that the killed one took, and whose agent never came, is free 65 s later.
HELD_SECONDS = 65.0
SECONDS = 180.0


@pytest.fixture
def guarded(own_cluster: Cluster, tmp_path: Path) -> Iterator[Scene]:
    """Two replicas behind one address."""
    with scene(own_cluster, tmp_path, replicas=2) as made:
        yield made


@pytest.fixture
def lead(guarded: Scene) -> Api:
    """The orchestrator, with its limit."""
    return guarded.govern("lead", limits={**MANY, "maxAgents": LIMIT})


def slots(api: Api) -> int:
    """How many names the ledger of the policy has."""
    path = f"/api/v1/namespaces/{SYSTEM}/configmaps/{ledger_name('team/leads')}"
    ledger = read(api, path)
    return len(read_ledger(ledger["data"]["ledger"]).slots) if ledger else 0


def test_alive_agents_never_exceed_the_limit_and_finally_reach_it(
    guarded: Scene, lead: Api
) -> None:
    watcher = Watcher(guarded.api)
    crowd = Crowd(lead, [f"worker-{i}" for i in range(CLIENTS)])
    victim = guarded.controllers[0]
    with watcher.watching():
        with crowd.trying():
            # In the moment in which slots are taken: some of those that it took are for nobody then.
            until("slots to be taken", lambda: slots(guarded.api), SECONDS)
            victim.stop(signal.SIGKILL)
            watcher.until_alive(LIMIT, HELD_SECONDS + SECONDS)
            # All other clients are refused, and retry.
            crowd.until_refused_again(SECONDS)
            assert watcher.alive == crowd.created
        assert (watcher.most, watcher.added, len(crowd.created)) == (LIMIT, LIMIT, LIMIT)
        assert crowd.unexpected == []

        victim.start()
        gone = sorted(watcher.alive)[:3]
        for name in gone:
            lead.request("DELETE", f"{AGENTS}/{name}")
        watcher.until_alive(LIMIT - 3, SECONDS)
        again = Crowd(lead, [f"worker-later-{i}" for i in range(20)])
        with again.trying():
            watcher.until_alive(LIMIT, HELD_SECONDS + SECONDS)
            again.until_refused_again(SECONDS)
        assert (watcher.most, watcher.added, len(again.created)) == (LIMIT, LIMIT + 3, 3)
        assert again.unexpected == []
    found = guarded.api.request("GET", f"{AGENTS}?labelSelector=hotpeers.dev/spawned=true")
    assert len(found["items"]) == LIMIT
