"""Attackers of the webhook port of a real controller: it stays small, and others are answered."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kit.apiserver.client import ApiError
from kit.apiserver.server import Cluster
from kit.controller.flooding import Calls, attacking, calling, memory_of, raise_file_limit
from kit.waiting import until
from kit.webhook import Controller, pod

MIB_OF_THE_CHART = 256
SECONDS = 6.0
MOST_UNANSWERED = 0.1
"""For each answered call, so many may fail: the attackers take all processors, and on a busy machine the
callers themselves sometimes wait for seconds. `make bench-flood` measures how long calls take."""
REQUEST = {"uid": "1", "kind": {"kind": "Pod"}, "operation": "CREATE", "namespace": "team"}
REVIEW = json.dumps({"request": {**REQUEST, "object": pod("team", "a")}}).encode()


@pytest.fixture
def controller(tmp_path: Path, cluster: Cluster) -> Iterator[Controller]:
    made = Controller(tmp_path, cluster, "--guard-configuration=none")
    made.start()
    yield made
    made.stop()


def attacked(controller: Controller, *attackers: tuple[str, int]) -> dict[str, Calls]:
    """What became of others' calls while each of these attackers has an address of its own."""
    raise_file_limit()
    with ExitStack() as stack:
        calls = stack.enter_context(calling(controller.port, REVIEW, controller.authority.file))
        for number, (kind, count) in enumerate(attackers):
            source = f"127.0.1.{number + 1}"
            stack.enter_context(attacking(kind, controller.port, source, count, SECONDS))
        time.sleep(SECONDS)
    return calls


ATTACKS = {
    "10,000 half-open connections and 200 bodies": [
        ("silent", 4500),
        ("hello", 4000),
        ("head", 1500),
        ("text", 100),
        ("wide", 100),
    ],
    "bodies of many values": [("objects", 200)],
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_costs_little_memory_and_others_are_answered(
    controller: Controller, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = attacked(controller, *ATTACKS[name])
    assert controller.process.pid is not None
    memory = memory_of(controller.process.pid)
    with capsys.disabled():
        print(f"\n{name}: {memory['VmHWM']} MiB at most")
        for title, found in calls.items():
            print(f"  {title}: {found}")
    assert memory["VmHWM"] < MIB_OF_THE_CHART
    for found in calls.values():
        assert len(found.failures) <= MOST_UNANSWERED * len(found.seconds)


def test_with_client_ca_only_the_api_server_calls(tmp_path: Path, own_cluster: Cluster) -> None:
    folder = own_cluster.folder
    controller = Controller(
        tmp_path / "controller",
        own_cluster,
        f"--client-ca={folder / 'ca.crt'}",
        "--guard-configuration=none",
    )
    certificate, key = folder / "admin.crt", folder / "admin.key"
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    kubeconfig = tmp_path / "webhooks.kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "users": [{"name": f"127.0.0.1:{controller.port}", "user": user}],
            }
        )
    )
    plugin = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": str(kubeconfig),
    }
    admission = tmp_path / "admission.json"
    admission.write_text(
        json.dumps(
            {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "AdmissionConfiguration",
                "plugins": [{"name": "MutatingAdmissionWebhook", "configuration": plugin}],
            }
        )
    )
    own_cluster.add_flags(f"--admission-control-config-file={admission}")
    own_cluster.start()
    controller.start()
    try:
        configuration = controller.configuration()
        # A call that does not come through is an error here.
        for webhook in configuration["webhooks"]:
            webhook["failurePolicy"] = "Fail"
        own_cluster.api.apply(configuration)

        def created() -> bool:
            try:
                made = own_cluster.api.request(
                    "POST", "/api/v1/namespaces/default/pods?dryRun=All", pod("default", "a")
                )
            except ApiError:
                return False
            names = [one["name"] for one in made["spec"].get("initContainers", [])]
            return any(one.startswith("hotpeers") for one in names)

        until("the webhook to be asked by the API server", created, 60)
        with calling(controller.port, REVIEW, controller.authority.file) as calls:
            until("three failed calls", lambda: len(calls["new"].failures) >= 3, 30)
        assert not calls["new"].seconds
        assert not calls["kept"].seconds
    finally:
        controller.stop()
