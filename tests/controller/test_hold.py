"""Rollout hold on a real API server: its webhook as a process, its leader as the product has it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from webhook import Controller

from cluster.accounts import ServiceAccount, make_account, rule
from cluster.client import ApiError, Object, read_yaml
from cluster.namespaces import create_namespace, remove_namespace
from cluster.rbac import FOLDER
from cluster.resources import AGENTS, agent, install_crd
from cluster.server import Cluster
from controller.holding import (
    HASH,
    S_HASH,
    Orchestrator,
    Sidecar,
    install_kinds,
    live,
    orchestrator,
    saying,
)
from controller.scene import client_of, running, until
from hotpeers.controller.election import LeaderClient
from hotpeers.controller.hold.keeper import Keeper
from hotpeers.controller.hold.repaying import Repaying
from hotpeers.controller.hold.sidecars import Sidecars
from hotpeers.controller.hold.telling import Telling
from hotpeers.controller.metrics import ControllerMetrics
from hotpeers.hold.repay import Terms

A, B, C = "1111", "2222", "3333"
PLACE = "hold-system"
USER = f"system:serviceaccount:{PLACE}:hotpeers-controller"
RULES = ("hotpeers-controller-hold", "hotpeers-controller-owners")


@pytest.fixture(scope="module")
def account(shared_cluster: Cluster) -> Iterator[ServiceAccount]:
    """The controller's account, with the rights that the manifests give it for this."""
    shared_cluster.start()
    create_namespace(shared_cluster.api, PLACE)
    rules = [
        each
        for one in read_yaml(FOLDER / "controller.yaml")
        if one["kind"] == "ClusterRole" and one["metadata"]["name"] in RULES
        for each in one["rules"]
    ]
    rules.append(rule("coordination.k8s.io", "leases", "get create update"))
    yield make_account(shared_cluster, PLACE, "hotpeers-controller", cluster_rules=rules)
    remove_namespace(shared_cluster.api, PLACE)


@pytest.fixture(scope="module")
def webhook(
    shared_cluster: Cluster, account: ServiceAccount, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Controller]:
    install_crd(shared_cluster.api, AGENTS)
    install_kinds(shared_cluster.api)
    # In a namespace that does not exist there is no Lease: it answers, and never leads.
    flags = (f"--account={USER}", "--guard-configuration=none", "--namespace=nowhere")
    made = Controller(tmp_path_factory.mktemp("hold"), shared_cluster, *flags)
    made.start()
    configuration = made.configuration("zz-hotpeers-hold")
    shared_cluster.api.create(configuration)
    yield made
    shared_cluster.api.delete(configuration)
    made.stop(signal.SIGKILL)


@pytest.fixture
def lead(cluster: Cluster, webhook: Controller, namespace: str) -> Iterator[Orchestrator]:
    webhook.start()
    with orchestrator(cluster.api, namespace) as made:
        made.create(A)
        yield made


@dataclass
class Leader:
    keeper: Keeper
    metrics: ControllerMetrics
    results: list[tuple[str, str]] = field(default_factory=list)

    def reasons(self) -> set[str]:
        return {one.reason.value for one in self.keeper.problems()}

    def state(self) -> str:
        found = [one["state"] for one in self.keeper.document()]
        return found[0] if found else ""


@asynccontextmanager
async def leading(
    account: ServiceAccount, ack_seconds: float = 3.0, terms: Terms | None = None
) -> AsyncIterator[Leader]:
    """The duties of a leader; pods of the tests answer on this host."""
    metrics = ControllerMetrics()
    results: list[tuple[str, str]] = []
    noted = metrics.hold_ended
    metrics.hold_ended = lambda *end: (results.append(end), noted(*end))[1]  # type: ignore[method-assign]
    async with (
        client_of(account.kubeconfig()) as client,
        Sidecars(lambda pod: (pod.ip, pod.port) if pod.ip and pod.port else None) as sidecars,
    ):
        writer = LeaderClient(client, lambda: True)
        telling = Telling(writer, metrics)
        keeper = Keeper(client, writer, sidecars, telling, ack_seconds)
        works = [keeper.run(), telling.run()]
        if terms is not None:
            works.append(Repaying(writer, keeper, terms, look=0.3).run())
        async with running(*works):
            yield Leader(keeper, metrics, results)


async def held_and_live(lead: Orchestrator, leader: Leader, config: str = B) -> None:
    lead.sync(config)
    assert (lead.running, lead.held) == (A, config)
    try:
        await until(lambda: leader.state() == "live", 15.0)
    except AssertionError:
        one = lead.read()
        told = (
            one["metadata"]["generation"],
            one["status"],
            leader.keeper.document(),
            leader.keeper.problems(),
            leader.results,
        )
        raise AssertionError(f"it is not live: {told}") from None


async def test_configuration_that_pods_take_rolls_nothing(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        (asked,) = lead.asked_for()
        since = lead.read()["metadata"]["annotations"]["hotpeers.dev/held-since"]
        assert asked == {"hash": B, "secrets": S_HASH, "try": 1, "since": since}
        assert (lead.running, lead.held) == (A, B)
        await until(lambda: {"ConfigurationHeld", "ConfigurationLive"} <= set(lead.events()))
        assert leader.reasons() == set()


async def test_controller_that_rewrites_the_hash_causes_no_writes(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        # After a write of somebody else the API server moves kagent's entry of managedFields to the
        # end, once: they are sorted by their times, in seconds.
        await until(lambda: "subresource" not in lead.sync(B)["metadata"]["managedFields"][-1])
        versions = lead.versions()
        began, syncs = time.monotonic(), 0
        while time.monotonic() - began < 6.0 or syncs < 20:
            answer = await asyncio.to_thread(lead.sync, B)
            assert answer["metadata"]["resourceVersion"] == versions[0]
            syncs += 1
            await asyncio.sleep(0.1)
        assert lead.versions() == versions
        assert len(lead.events()) == 2


async def test_resync_after_each_event_does_not_loop(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    """Two changes in quick succession, and a change back: each is one write to the Deployment."""
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        lead.sync(C)
        lead.sync(C)
        assert (lead.running, lead.held) == (A, C)
        await until(lambda: lead.asked_for()[0]["hash"] == C)
        await until(lambda: leader.state() == "live")
        lead.sync(A)
        await until(lambda: lead.held == "")
        assert lead.running == A
        assert lead.asked_for()[0]["hash"] == A
        await until(lambda: leader.results[-1] == ("reverted", ""))
        lead.sync(A)
        versions = lead.versions()
        for _ in range(5):
            lead.sync(A)
        assert lead.versions() == versions


@pytest.mark.parametrize(
    ("state", "more", "reason"),
    [
        ("refused", {"reason": "WrongShape", "message": "model: is missing"}, "HeldConfigRefused"),
        ("restart", {"restart": ["stream"]}, "HeldConfigNeedsRestart"),
    ],
)
async def test_pod_that_cannot_take_it_rolls_the_deployment(
    lead: Orchestrator, account: ServiceAccount, state: str, more: dict[str, Any], reason: str
) -> None:
    async with leading(account, ack_seconds=30.0) as leader:
        # Before it was asked it says that of nothing; then of the new file.
        said = saying(state, **more)
        lead.says = lambda held: said(held) if held else saying("live", hash=A)(held)
        lead.sync(B)
        await until(lambda: lead.running == B, 10.0)
        assert lead.held == ""
        await until(lambda: leader.results == [("released", reason)])
        await until(lambda: "HoldReleased" in lead.events())
        lead.roll()
        lead.sync(B)
        assert lead.held == ""


@pytest.mark.parametrize("replicas", [1, 2])
async def test_pod_that_says_nothing_rolls_the_deployment_in_time(
    lead: Orchestrator, account: ServiceAccount, replicas: int
) -> None:
    if replicas == 2:
        lead.api.patch(lead.reference, {"spec": {"replicas": 2}})
        lead.add_pod()
        lead.report()
        # One of them is fine: all must be.
        next(iter(lead.sidecars.values())).says = live
        list(lead.sidecars.values())[1].says = saying("live", hash="7")
    else:
        lead.says = saying("live", hash="7")
    async with leading(account, ack_seconds=2.0) as leader:
        began = time.monotonic()
        lead.sync(B)
        await until(lambda: lead.running == B, 15.0)
        assert time.monotonic() - began >= 1.9
        await until(lambda: leader.results == [("released", "AckMissing")])
        assert max(one.get("try", 0) for one in lead.asked_for()) >= 2


HOSTILE = {
    "a gigabyte": (200, {}, b'{"a": "' + b"x" * 4_000_000),
    "endless values": (200, {}, b"[" + b"1," * 900_000),
    "deep": (200, {}, b"[" * 500_000),
    "a redirect": (302, {"Location": "http://127.0.0.1:1/status"}, b""),
    "not JSON": (200, {}, b"\xff\xfe"),
    "an error": (500, {}, b"{}"),
    "a bomb": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b" + b"\0" * 100),
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
async def test_pod_that_answers_anything_counts_as_silent(
    lead: Orchestrator, account: ServiceAccount, answer: tuple[int, dict[str, str], bytes]
) -> None:
    lead.says = lambda _held: answer
    async with leading(account, ack_seconds=1.0) as leader:
        lead.sync(B)
        await until(lambda: lead.running == B, 15.0)
        await until(lambda: leader.results == [("released", "AckMissing")])


async def test_pod_that_never_answers_holds_up_no_other(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    lead.says = lambda _held: (time.sleep(20), {})[1]
    async with leading(account, ack_seconds=2.0):
        lead.sync(B)
        await until(lambda: lead.running == B, 15.0)


async def test_image_and_configuration_together_roll(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    def image(one: Object) -> None:
        one["spec"]["template"]["spec"]["containers"][0]["image"] = "app:0.11.0"

    async with leading(account) as leader:
        lead.sync(B, image)
        assert (lead.running, lead.held) == (B, "")
        lead.roll()
        await held_back(lead, image)
        await until(lambda: leader.state() == "live")


async def held_back(lead: Orchestrator, change: Any) -> None:
    lead.sync(C, change)
    assert (lead.running, lead.held) == (B, C)


async def test_rollout_restart_takes_the_newest_configuration(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        restart = {"kubectl.kubernetes.io/restartedAt": "now"}
        lead.api.patch(
            lead.reference, {"spec": {"template": {"metadata": {"annotations": restart}}}}
        )
        assert (lead.running, lead.held) == (B, "")


async def test_scale_keeps_the_hold(lead: Orchestrator, account: ServiceAccount) -> None:
    """HPA and `kubectl scale` write the subresource."""
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        path = f"{lead.api.path(lead.reference)}/scale"
        lead.api.request(
            "PATCH", path, {"spec": {"replicas": 2}}, content_type="application/merge-patch+json"
        )
        assert (lead.running, lead.held) == (A, B)
        lead.add_pod()
        lead.report()
        await until(lambda: len([one for one in lead.asked_for() if one]) == 2)


async def test_new_leader_goes_on(lead: Orchestrator, account: ServiceAccount) -> None:
    """The controller dies between the hold and the ack."""
    lead.says = saying("live", hash="7")
    lead.sync(B)
    async with leading(account, ack_seconds=60.0):
        await until(lambda: lead.asked_for()[0] != {})
    assert (lead.running, lead.held) == (A, B)
    lead.says = live
    async with leading(account) as leader:
        await until(lambda: leader.state() == "live")
    # One that comes to live ones writes nothing.
    versions = lead.versions()
    async with leading(account) as leader:
        await until(lambda: leader.state() == "live")
        assert lead.versions() == versions


async def test_pod_made_while_held_is_asked_too(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    """A pod is deleted or evicted, or its node drained."""
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        (old,) = lead.sidecars
        lead.remove(old)
        new = lead.add_pod(ready=False)
        lead.report(availableReplicas=0, readyReplicas=0)
        await until(lambda: [one.get("hash") for one in lead.asked_for()] == [B])
        lead.set_ready(new["metadata"]["name"])
        lead.report()
        await until(lambda: leader.state() == "live")
        assert (lead.running, lead.held) == (A, B)


async def test_nothing_is_decided_while_a_rollout_is_under_way(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    lead.report(updatedReplicas=0)
    lead.says = saying("refused")
    async with leading(account, ack_seconds=1.0) as leader:
        lead.sync(B)
        await until(lambda: leader.state() == "rolling")
        await asyncio.sleep(2.5)
        assert (lead.running, lead.held, lead.asked_for()) == (A, B, [{}])
        lead.says = live
        lead.report()
        await until(lambda: leader.state() == "live")


@pytest.mark.parametrize("waiting", ["CrashLoopBackOff", ""])
async def test_rollout_that_does_not_get_on_is_replaced(
    lead: Orchestrator, account: ServiceAccount, waiting: str
) -> None:
    (name,) = lead.sidecars
    lead.set_ready(name, ready=False, waiting=waiting)
    lead.report(replicas=2)
    async with leading(account, ack_seconds=1.0) as leader:
        lead.sync(B)
        await until(lambda: lead.running == B)
        await until(lambda: leader.results == [("released", "RolloutStuck")])


async def test_pod_without_sidecar_rolls_the_deployment(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    lead.stop()
    lead.add_pod(sidecar=False)
    async with leading(account, ack_seconds=60.0) as leader:
        lead.sync(B)
        await until(lambda: lead.running == B)
        await until(lambda: leader.results == [("released", "AckMissing")])


async def test_whole_controller_leads_and_tells(
    lead: Orchestrator, account: ServiceAccount, cluster: Cluster, tmp_path: Path
) -> None:
    flags = (f"--kubeconfig={account.kubeconfig()}", f"--namespace={PLACE}", f"--account={USER}")
    more = ("--guard-configuration=none", "--hold-ack-seconds=600", "--hold-window=Sat 02:00-05:00")
    controller = Controller(tmp_path / "whole", cluster, *flags, *more)
    lead.report(replicas=2)
    try:
        controller.start()
        lead.sync(B)
        await until(lambda: controller.metric("hotpeers_held_deployments") == 1)
        assert (lead.running, lead.held) == (A, B)
        (shown,) = controller.document("/status")["holds"]
        assert (shown["name"], shown["wanted"], shown["state"]) == ("lead", B, "rolling")
        # Its pods are not where pods may be: nobody can be asked.
        lead.report()
        await until(lambda: lead.running == B)
        reason = {"result": "released", "reason": "AckMissing"}
        await until(lambda: controller.metric("hotpeers_hold_results_total", **reason) == 1)
        await until(lambda: controller.metric("hotpeers_held_deployments") == 0)
    finally:
        controller.stop(signal.SIGKILL)


async def test_pod_of_another_owner_is_never_asked(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    """A tenant's pod with the labels of the Deployment, and an owner that is another's."""
    stranger = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger", "namespace": lead.namespace},
    }
    sidecar = Sidecar(lead.api, stranger, live)
    pod = lead.api.create(
        {
            **stranger,
            "metadata": {
                **stranger["metadata"],
                "labels": lead.set["spec"]["selector"]["matchLabels"],
            },
            "spec": {
                "containers": [
                    {"name": "hotpeers", "image": "a", "ports": [{"containerPort": sidecar.port}]}
                ]
            },
        }
    )
    lead.api.patch(
        pod, {"status": {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}, "status"
    )
    async with leading(account) as leader:
        await held_and_live(lead, leader)
        assert sidecar.asked == 0
        assert "annotations" not in lead.api.read(pod)["metadata"]
    sidecar.stop()


async def test_label_by_hand_on_what_is_not_kagents_is_told_and_left_alone(
    lead: Orchestrator, account: ServiceAccount, cluster: Cluster
) -> None:
    manifest = lead.manifest(A)
    manifest["metadata"] = {
        "name": "other",
        "namespace": lead.namespace,
        "labels": {"hotpeers.dev/held": "true"},
        "annotations": {"hotpeers.dev/held-config-hash": "9", "hotpeers.dev/held-template-hash": A},
    }
    made = cluster.api.create(manifest)
    async with leading(account, ack_seconds=1.0) as leader:
        await until(lambda: leader.reasons() == {"HoldUnreadable"})
        await asyncio.sleep(2.0)
        assert (
            cluster.api.read(made)["metadata"]["resourceVersion"]
            == made["metadata"]["resourceVersion"]
        )


async def test_hold_without_readable_annotations_is_taken_away(
    lead: Orchestrator, account: ServiceAccount, webhook: Controller
) -> None:
    webhook.stop()
    annotations = {"hotpeers.dev/held-config-hash": "x" * 1000}
    metadata = {"labels": {"hotpeers.dev/held": "true"}, "annotations": annotations}
    lead.api.patch(lead.reference, {"metadata": metadata})
    async with leading(account) as leader:
        await until(lambda: "hotpeers.dev/held" not in lead.read()["metadata"]["labels"])
        await until(lambda: leader.results == [("overtaken", "")])
        assert (lead.running, lead.held) == (A, "")


async def test_controller_down_lets_kagent_roll(
    lead: Orchestrator, account: ServiceAccount, webhook: Controller
) -> None:
    """What was held is rolled by the next reconcile; the marks go once there is a leader again."""
    async with leading(account) as leader:
        await held_and_live(lead, leader)
    webhook.stop()
    lead.sync(C)
    assert (lead.running, lead.held) == (C, B)
    lead.roll()
    async with leading(account) as leader:
        await until(lambda: lead.held == "")
        await until(lambda: leader.results == [("overtaken", "")])
        assert lead.running == C


async def test_debt_of_an_idle_orchestrator_is_repaid(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    busy = {"turns": {"active": 1, "idleSeconds": 0}}
    lead.says = lambda held: {**live(held), **busy}
    async with leading(account, terms=Terms(idle=1.0)) as leader:
        await held_and_live(lead, leader)
        await asyncio.sleep(2.5)
        assert (lead.running, lead.held) == (A, B)
        lead.says = live
        await until(lambda: (lead.running, lead.held) == (B, ""))
        await until(lambda: leader.results == [("live", ""), ("repaid", "")])
        await until(lambda: "HoldRepaid" in lead.events())


async def test_secret_hashes_that_cannot_be_read_hold_nothing_for_ever(
    lead: Orchestrator, account: ServiceAccount
) -> None:
    lead.says = saying("live", hash="7")
    lead.api.delete(
        {
            "apiVersion": "kagent.dev/v1alpha2",
            "kind": "ModelConfig",
            "metadata": {"name": "small", "namespace": lead.namespace},
        }
    )
    async with leading(account, ack_seconds=1.0) as leader:
        lead.sync(B)
        await until(lambda: lead.running == B)
        await until(lambda: [one[0] for one in leader.results] == ["released"])


@pytest.mark.parametrize("invited", [True, False])
async def test_server_of_another_namespace_counts_where_it_invites(
    lead: Orchestrator, account: ServiceAccount, cluster: Cluster, invited: bool
) -> None:
    away = f"{lead.namespace}-away"
    create_namespace(cluster.api, away)
    server = {
        "apiVersion": "kagent.dev/v1alpha2",
        "kind": "RemoteMCPServer",
        "metadata": {"name": "tools", "namespace": away},
        "spec": {"allowedNamespaces": {"from": "All" if invited else "Same"}},
    }
    cluster.api.create(server)
    cluster.api.patch(server, {"status": {"secretHash": "cd" * 32}}, "status")
    tool = {"kind": "RemoteMCPServer", "name": "tools", "namespace": away}
    tools = [{"type": "McpServer", "mcpServer": tool}]
    one = agent(lead.namespace, "lead")
    cluster.api.patch(one, {"spec": {"declarative": {"tools": tools}}})
    try:
        async with leading(account, ack_seconds=1.0) as leader:
            lead.sync(B)
            if invited:
                await until(lambda: leader.state() == "live")
                assert lead.asked_for()[0]["secrets"] == S_HASH + "cd" * 32
            else:
                await until(lambda: lead.running == B)
                assert lead.asked_for() == [{}]
    finally:
        remove_namespace(cluster.api, away)


async def test_dry_run_leaves_no_trace(lead: Orchestrator, webhook: Controller) -> None:
    before, counted = lead.versions(), webhook.metric("hotpeers_hold_requests_total")
    change = {"spec": {"template": {"metadata": {"annotations": {HASH: B}}}}}
    path = f"{lead.api.path(lead.reference)}?dryRun=All"
    answer = lead.api.request("PATCH", path, change, content_type="application/merge-patch+json")
    assert answer["metadata"]["annotations"]["hotpeers.dev/held-config-hash"] == B
    assert lead.versions() == before
    assert webhook.metric("hotpeers_hold_requests_total") == counted


@pytest.mark.parametrize("manager", ["argocd-controller", "kustomize-controller"])
async def test_server_side_apply_again_and_again_changes_nothing(
    lead: Orchestrator, manager: str
) -> None:
    path = f"{lead.api.path(lead.reference)}?fieldManager={manager}&force=true"

    def apply(config: str) -> Object:
        return lead.api.request(
            "PATCH", path, lead.manifest(config), content_type="application/apply-patch+yaml"
        )

    apply(A)
    apply(B)
    assert (lead.running, lead.held) == (A, B)
    apply(B)
    version = lead.versions()[0]
    for _ in range(5):
        apply(B)
    assert (lead.running, lead.held, lead.versions()[0]) == (A, B, version)


async def test_replace_without_our_marks_changes_nothing(lead: Orchestrator) -> None:
    lead.sync(B)
    version = lead.versions()[0]
    bare = lead.manifest(B)
    bare["spec"]["replicas"] = 1
    bare["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
    lead.api.request("PUT", lead.api.path(lead.reference), bare)
    assert (lead.running, lead.held, lead.versions()[0]) == (A, B, version)


async def test_same_quantity_in_other_words_is_no_difference(lead: Orchestrator) -> None:
    def quantity(one: Object) -> None:
        container = one["spec"]["template"]["spec"]["containers"][0]
        container["resources"]["requests"]["cpu"] = "100m"
        container["imagePullPolicy"] = "IfNotPresent"
        container["command"] = []

    lead.sync(B, quantity)
    assert (lead.running, lead.held) == (A, B)


async def test_deployments_of_others_are_not_asked_about(
    lead: Orchestrator, webhook: Controller, cluster: Cluster
) -> None:
    counted = webhook.metric("hotpeers_hold_requests_total")
    manifest = lead.manifest(A)
    manifest["metadata"] = {"name": "other", "namespace": lead.namespace}
    made = cluster.api.create(manifest)
    cluster.api.patch(made, {"spec": {"template": {"metadata": {"annotations": {HASH: B}}}}})
    cluster.api.patch(lead.reference, {"metadata": {"annotations": {"a": "b"}}})
    assert webhook.metric("hotpeers_hold_requests_total") == counted


async def test_account_that_the_webhook_does_not_know_is_told(
    lead: Orchestrator, cluster: Cluster
) -> None:
    """Its release is held again: nothing loops, and a problem says what to set."""
    other = make_account(
        cluster,
        lead.namespace,
        "stranger",
        cluster_rules=[
            each
            for one in read_yaml(FOLDER / "controller.yaml")
            if one["kind"] == "ClusterRole" and one["metadata"]["name"] in RULES
            for each in one["rules"]
        ],
    )
    lead.says = saying("restart")
    async with leading(other, ack_seconds=1.0) as leader:
        lead.sync(B)
        await until(lambda: leader.reasons() == {"HeldAgain"}, 20.0)
        version = lead.versions()[0]
        await asyncio.sleep(2.0)
        assert (lead.running, lead.held, lead.versions()[0]) == (A, B, version)


async def test_big_templates_pass(lead: Orchestrator) -> None:
    """A template of nearly what an API server stores is read like any other."""

    def big(one: Object) -> None:
        env = [{"name": f"V{i}", "value": "x" * 1000} for i in range(900)]
        one["spec"]["template"]["spec"]["containers"][0]["env"] = env

    lead.sync(A, big)
    lead.roll()
    try:
        lead.sync(B, big)
    except ApiError as error:
        raise AssertionError("it was refused") from error
    assert (lead.running, lead.held) == (A, B)


def test_webhook_is_the_last_one_and_lets_all_pass_while_down() -> None:
    (found,) = (
        one
        for one in read_yaml(Path(__file__).parents[2] / "k8s/install.yaml")
        if one["metadata"]["name"] == "zz-hotpeers-hold" and "webhooks" in one
    )
    (hook,) = found["webhooks"]
    assert (hook["failurePolicy"], hook["timeoutSeconds"]) == ("Ignore", 2)
    assert hook["reinvocationPolicy"] == "Never"


@contextmanager
def forbidden(cluster: Cluster, lead: Orchestrator) -> Iterator[None]:
    """A policy of the cluster that keeps the label of held Deployments where it is."""
    group = "admissionregistration.k8s.io/v1"
    rule_of = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["deployments"],
    }
    held = "'hotpeers.dev/held' in {}.metadata.labels"
    keeps = f"!({held.format('oldObject')}) || {held.format('object')}"
    probe = "metadata.?annotations.?probe.orValue('')"
    policy: Object = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": f"keep-{lead.namespace}"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule_of]},
            "validations": [
                {"expression": keeps, "message": "labels stay"},
                {"expression": f"object.{probe} == oldObject.{probe}"},
            ],
        },
    }
    here = {"matchLabels": {"kubernetes.io/metadata.name": lead.namespace}}
    binding: Object = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": policy["metadata"]["name"]},
        "spec": {
            "policyName": policy["metadata"]["name"],
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": here},
        },
    }
    made = [cluster.api.create(policy), cluster.api.create(binding)]
    try:
        for number in range(300):
            try:
                cluster.api.patch(
                    lead.reference, {"metadata": {"annotations": {"probe": f"{number}"}}}
                )
            except ApiError:
                break
            time.sleep(0.1)
        yield
    finally:
        for one in made:
            cluster.api.delete(one)


async def test_release_that_a_policy_forbids_is_told_and_done_later(
    lead: Orchestrator, account: ServiceAccount, cluster: Cluster
) -> None:
    """The API server answers 422, as where the Deployment is another one by now."""
    lead.says = saying("restart")
    with forbidden(cluster, lead):
        async with leading(account, ack_seconds=1.0) as leader:
            lead.sync(B)
            await until(
                lambda: any("labels stay" in one.message for one in leader.keeper.problems())
            )
            assert (lead.running, lead.held) == (A, B)
    async with leading(account, ack_seconds=1.0):
        await until(lambda: (lead.running, lead.held) == (B, ""), 20.0)
