"""No controller answers for the guard: only governed subjects are refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.admission.attempts import AGENTS
from cluster.admission.outcome import MERGE, Attempt, By, attempt
from cluster.admission.scene import Scene, scene
from kit.apiserver.client import Api, Object
from kit.apiserver.server import Cluster
from kit.spawning import declarative
from kit.waiting import until

CONFIG: Object = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "any", "namespace": "team"},
}


@pytest.fixture
def down(own_cluster: Cluster, tmp_path: Path) -> Iterator[tuple[Scene, Api]]:
    """A scene whose only controller has been stopped, and its governed account."""
    with scene(own_cluster, tmp_path) as made:
        lead = made.govern("lead")
        lead.create(declarative("worker-a"))
        made.controllers[0].stop()
        yield made, lead


def test_only_the_governed_are_stopped(down: tuple[Scene, Api]) -> None:
    guarded, lead = down
    worker = f"{AGENTS}/worker-a"
    for one in (
        Attempt("POST", AGENTS, declarative("worker-b")),
        Attempt("POST", f"{AGENTS}?dryRun=All", declarative("worker-b")),
        Attempt("PATCH", worker, {"spec": {"description": "x"}}, MERGE),
        Attempt("DELETE", worker),
        Attempt("DELETE", AGENTS),
        Attempt("POST", "/api/v1/namespaces/team/configmaps", CONFIG),
        Attempt("DELETE", "/apis/hotpeers.dev/v1alpha1/namespaces/team/spawnpolicies/leads"),
    ):
        outcome = attempt(lead, one)
        assert outcome.by is By.FAULT, one
        assert "failed calling webhook" in outcome.message
        assert ".guard.hotpeers.dev" in outcome.message
    # A spawned agent is refused too. Reads still work.
    child = guarded.login("worker-a")
    assert attempt(child, Attempt("POST", AGENTS, declarative("worker-c"))).by is By.FAULT
    assert lead.request("GET", worker)
    kagent = guarded.login("kagent-controller", "kagent")
    for i, other in enumerate((guarded.api, kagent)):
        _everything(other, f"of-others-{i}")
    status = {"status": {"observedGeneration": 2}}
    assert kagent.request("PATCH", f"{worker}/status", status, content_type=MERGE)["status"]
    guarded.controllers[0].start()
    until(
        "it to be admitted again",
        lambda: attempt(lead, Attempt("POST", AGENTS, declarative("worker-b"))).by is By.NOBODY,
        60,
    )
    assert attempt(lead, Attempt("POST", AGENTS, declarative("intruder"))).by is By.GUARD


def _everything(api: Api, name: str) -> None:
    """Requests that people and kagent's controller send every day."""
    hostile = declarative(name)
    hostile["spec"]["declarative"]["executeCodeBlocks"] = True
    made = api.create(hostile)
    api.patch(made, {"spec": {"description": "x"}})
    api.apply({**CONFIG, "metadata": {"name": name, "namespace": "team"}, "data": {"a": "b"}})
    account = {**CONFIG, "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "team"}}
    api.create(account)
    for one in (made, account, {**CONFIG, "metadata": {"name": name, "namespace": "team"}}):
        api.delete(one)
