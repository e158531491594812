"""A hostile tenant beside a working one: a short version of bench/tenants.py."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kit.apiserver.client import Api, Object
from kit.apiserver.resources import AGENTS, install_crd
from kit.apiserver.server import Cluster
from kit.chart.fixtures import helm, helm_program  # noqa: F401 - fixtures
from kit.chart.helm import Helm
from kit.controller.guard_scene import asked
from kit.controller.tenants import EVIL, Evil, Good, policies
from kit.waiting import until
from kit.webhook import Controller

POLICIES = Path(__file__).parents[4] / "k8s/crds/spawnpolicies.hotpeers.dev.yaml"


@pytest.fixture(params=["stamps are protected", "stamps can be forged"])
def scene(
    request: pytest.FixtureRequest,
    own_cluster: Cluster,
    helm: Helm,  # noqa: F811
    tmp_path: Path,
) -> Iterator[Cluster]:
    """A guard, on an API server with and without the policy that protects stamps."""
    own_cluster.start()
    for file in (AGENTS, POLICIES):
        install_crd(own_cluster.api, file)
    if request.param == "stamps are protected":
        for one in helm.render():
            if one["metadata"]["name"] == "hotpeers-stamps":
                own_cluster.api.apply(one)
    controller = Controller(tmp_path, own_cluster, "--namespace=default")
    controller.start()
    try:
        with asked(own_cluster, controller):
            yield own_cluster
    finally:
        controller.stop(signal.SIGKILL)


def test_attacks_of_one_tenant_do_not_reach_another(scene: Cluster) -> None:
    good, evil = Good(scene), Evil(scene, seed=7)
    with closing(good), evil.attacking(30.0):
        tally = good.work(12.0, 3.0)
        wrong = good.fill()
    assert (tally.failures, tally.counts, wrong) == ([], [], [])
    stored = {attack for attack, outcome in evil.sent if outcome == "stored"}
    assert {"_many_policies", "_reaching_policy", "_large", "_touch"} <= stored
    _is_explained(scene.api)
    _is_served_again(scene.api)


def _is_explained(api: Api) -> None:
    """The policies beyond the limits say so, and their subjects are denied."""
    api.create_all(
        {
            "apiVersion": "hotpeers.dev/v1alpha1",
            "kind": "SpawnPolicy",
            "metadata": {"name": f"many-{number}", "namespace": EVIL},
            "spec": {"subjects": [{"kind": "ServiceAccount", "name": f"s{number}"}]},
        }
        for number in range(70)
    )

    def reasons() -> set[str] | None:
        items = api.request("GET", policies(EVIL))["items"]
        found = {_reason(one) for one in items}
        return found if "LimitExceeded" in found and "None" not in found else None

    until("a condition of each policy", reasons, 60.0)


def _is_served_again(api: Api) -> None:
    """A policy that is within the limits again is served whole, though it was not kept whole."""
    items = api.request("GET", policies(EVIL))["items"]
    beyond = [one for one in items if _reason(one) == "LimitExceeded"]
    last = max(beyond, key=lambda one: (one["metadata"]["creationTimestamp"], _name(one)))
    for one in items:
        if one is not last:
            api.request("DELETE", policies(EVIL, _name(one)))

    def served() -> bool:
        return _reason(api.request("GET", policies(EVIL, _name(last)))) == "Enforced"

    until("the policy to be served", served, 30.0)


def _name(policy: Object) -> str:
    return str(policy["metadata"]["name"])


def _reason(policy: Object) -> str:
    conditions = policy.get("status", {}).get("conditions") or [{}]
    return str(conditions[0].get("reason"))
