"""One governed account asks for much at once; another is answered meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest

from kit.apiserver.client import Api, ApiError
from kit.apiserver.resources import AGENTS, PEERS, install_crd
from kit.apiserver.server import Cluster
from kit.controller.guard_scene import asked, orchestrator, spawn_policy, subject, until_governed
from kit.webhook import Controller

POLICIES = Path(__file__).parents[4] / "k8s" / "crds" / "spawnpolicies.hotpeers.dev.yaml"
LARGE = {"metadata": {"name": "large"}, "data": {"a": "x, " * 950_000}}


@pytest.fixture
def controller(tmp_path: Path, cluster: Cluster) -> Iterator[Controller]:
    for definition in (PEERS, AGENTS, POLICIES):
        install_crd(cluster.api, definition)
    made = Controller(tmp_path, cluster, "--namespace=default")
    made.start()
    with asked(cluster, made):
        yield made
    made.stop()


def refused(api: Api, path: str, body: object) -> str:
    with pytest.raises(ApiError) as caught:
        api.request("POST", path, body)
    return caught.value.message


def test_large_requests_of_one_account_do_not_delay_others(
    cluster: Cluster, namespace: str, controller: Controller
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All"
    messages: list[str] = []
    with ExitStack() as stack:
        accounts = {name: subject(cluster, namespace, name) for name in ("loud", "quiet")}
        for name in accounts:
            cluster.api.create(orchestrator(namespace, name))
        subjects = [{"kind": "Agent", "name": name} for name in accounts]
        cluster.api.create(spawn_policy(namespace, subjects=subjects))
        quiet = Api(accounts["quiet"].access)
        stack.callback(quiet.close)
        until_governed(quiet, namespace)

        def shout() -> None:
            api = Api(accounts["loud"].access)
            messages.append(refused(api, path, LARGE))
            api.close()

        threads = [threading.Thread(target=shout) for _ in range(100)]
        for thread in threads:
            thread.start()
        taken, started = [], time.monotonic()
        while any(thread.is_alive() for thread in threads):
            begun = time.monotonic()
            why = refused(quiet, path, {"metadata": {"name": "small"}})
            taken.append(time.monotonic() - begun)
            assert "denied the request" in why, why
        whole = time.monotonic() - started
    assert len(messages) == 100
    busy = sum("TooBusy" in one for one in messages)
    print(
        f"{len(taken)} small calls in {whole:.1f} s, at most {max(taken):.2f} s;"
        f" {busy} large too many"
    )
    # Behind all large ones, there would be one small call, which takes all of the time. A few at the
    # start are slow all the same: the API server itself reads a hundred large bodies then.
    assert len(taken) > 10
    assert median(taken) < whole / 10
