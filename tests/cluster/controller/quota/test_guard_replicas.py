"""Two replicas of `hotpeers controller` with a guard: one is killed in the middle of its duties."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.apiserver.client import Object
from kit.apiserver.resources import agent, install_crd
from kit.apiserver.server import Cluster
from kit.controller.guarding import configurations, listed, sent
from kit.controller.leading import SPAWN_POLICIES, spawn_policy, spawned
from kit.controller.process import Controller
from kit.waiting import until

COUNT = 60
SECONDS = 60
# Less than the lease of a leader that is gone lasts.
WITHOUT_LEADER = 12


@pytest.fixture
def replicas(
    cluster: Cluster, crds: list[str], namespace: str, tmp_path: Path
) -> Iterator[list[Controller]]:
    """Two, not started yet."""
    install_crd(cluster.api, SPAWN_POLICIES)
    flags = {
        "webhook_configuration": f"none-{namespace}",
        "guard_configuration": f"guard-{namespace}",
        "bind_readers": "false",
    }
    made = [
        Controller(tmp_path / name, cluster.kubeconfig, namespace, **flags)
        for name in ("one", "two")
    ]
    with configurations(cluster.api, f"guard-{namespace}"):
        yield made
        for one in made:
            one.stop(signal.SIGKILL)


def alive(cluster: Cluster, namespace: str) -> set[str]:
    items = cluster.api.list("kagent.dev/v1alpha2", "Agent", namespace)["items"]
    return {one["metadata"]["name"] for one in items}


def condition(cluster: Cluster, policy: Object) -> str:
    found = cluster.api.read(policy).get("status", {}).get("conditions") or [{}]
    return str(found[0].get("reason", ""))


def test_leader_killed_in_the_middle_leaves_its_duties_to_the_other(
    cluster: Cluster, namespace: str, replicas: list[Controller]
) -> None:
    api = cluster.api
    lead = api.create(agent(namespace, "lead"))
    policy = api.create(spawn_policy(namespace))
    for one in replicas:
        one.start()
    for one in replicas:
        one.until_ready()
    until("a leader", lambda: any(one.leads() for one in replicas), SECONDS)
    leading, other = sorted(replicas, key=lambda one: not one.leads())
    until("the status", lambda: condition(cluster, policy) == "Enforced", SECONDS)
    accounts = {(namespace, "lead")}
    assert listed(api, f"guard-{namespace}") == accounts
    api.create(spawned(namespace, "stays", lead))
    # Over some seconds, so that no machine ends them all at once.
    api.create_all(
        spawned(namespace, f"worker-{i}", lead, seconds=8 + i / 10) for i in range(COUNT)
    )
    names = {"lead", "stays", *(f"worker-{i}" for i in range(COUNT))}
    governed = {(namespace, name) for name in names}
    until("the first to end", lambda: len(alive(cluster, namespace)) < COUNT, SECONDS)
    leading.stop(signal.SIGKILL)
    # Whom it governs is every replica's duty, and does not wait.
    until(
        "all to be governed",
        lambda: listed(api, f"guard-{namespace}") == governed,
        WITHOUT_LEADER,
    )
    until(
        "requests of every account to be sent",
        lambda: sent(api, governed, namespace) == governed,
        SECONDS,
    )
    api.create(agent(namespace, "second"))
    subjects = [{"kind": "Agent", "name": "second"}]
    api.create(spawn_policy(namespace, "more", subjects=subjects))
    governed.add((namespace, "second"))
    until(
        "the other to govern",
        lambda: listed(api, f"guard-{namespace}") == governed,
        SECONDS,
    )
    until(
        "the rest to end",
        lambda: alive(cluster, namespace) == {"lead", "stays", "second"},
        SECONDS,
    )
    assert other.leads()
    deleted = 'hotpeers_spawned_deleted_total{reason="AgentExpired"}'
    until("a deletion in the metric", lambda: other.metric(deleted) > 0, SECONDS)
    count = len(governed)
    until(
        "the metric of governed accounts",
        lambda: other.metric("hotpeers_governed_accounts") == count,
        SECONDS,
    )
    # Their accounts outlive them for a while.
    assert listed(api, f"guard-{namespace}") == governed
