"""The status of SpawnPolicies, on a real API server."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from hotpeers.controller.quota.ledger import LastDenial
from hotpeers.controller.status.policies import PolicyStatuses
from hotpeers.controller.status.warnings import Usage
from hotpeers.spawnpolicy.decision import Decision
from kit.apiserver.accounts import make_account, rule
from kit.apiserver.client import Api, Object
from kit.apiserver.resources import agent, install_crd
from kit.apiserver.server import Cluster
from kit.controller.guarding import configurations
from kit.controller.leading import LIMITS, SPAWN_POLICIES, leader, lease, spawn_policy
from kit.counting import count_calls
from kit.waiting import until_async

DENIAL = LastDenial("2026-11-01T11:00:00Z", "team/lead", "CREATE", "x", "team", "TooDeep")


@pytest.fixture(autouse=True)
def place(cluster: Cluster, crds: list[str], namespace: str) -> Iterator[None]:
    install_crd(cluster.api, SPAWN_POLICIES)
    lease(cluster.api, namespace)
    with configurations(cluster.api, f"guard-{namespace}"):
        yield


def status(api: Api, policy: Object) -> Object:
    return dict(api.read(policy).get("status") or {})


def ready(api: Api, policy: Object) -> tuple[str, str]:
    (found,) = status(api, policy).get("conditions") or [{"status": "", "reason": ""}]
    return found["status"], found["reason"]


def settled(api: Api, policy: Object) -> bool:
    """Whether it is ready, and its counts are told too: they may come later."""
    return ready(api, policy) == ("True", "Enforced") and "agentsAlive" in status(api, policy)


async def test_status_reports_counts_denials_and_readiness(
    cluster: Cluster, namespace: str
) -> None:
    api, key = cluster.api, f"{namespace}/workers"
    policy = api.create(spawn_policy(namespace))

    def allow(_: object) -> Decision:
        return Decision(allowed=True, policy=key)

    async with leader(cluster, namespace) as leading:
        await until_async("the status of the policy", lambda: settled(api, policy))
        found = status(api, policy)
        assert (found["agentsAlive"], found["createsInWindow"], found["denials"]) == (0, 0, 0)
        assert found["observedGeneration"] == 1
        for i in range(3):
            await leading.reservations.admit([key], f"{namespace}/worker-{i}", allow)
        await until_async(
            "three agents alive in the status", lambda: status(api, policy)["agentsAlive"] == 3
        )
        assert status(api, policy)["createsInWindow"] == 3
        leading.reservations.note_denial(key, DENIAL)
        await until_async("one denial in the status", lambda: status(api, policy)["denials"] == 1)
        assert status(api, policy)["lastDenial"]["reason"] == "TooDeep"
        api.patch(policy, {"spec": {"mode": "Audit"}})
        await until_async(
            "the policy to be Audited", lambda: ready(api, policy) == ("True", "Audited")
        )
        assert status(api, policy)["observedGeneration"] == 2
    # Of those that nobody answers for any more, one is made Ready only by being so.
    for one in (f"{key}-2", f"{key}-3"):
        api.create(spawn_policy(namespace, one.partition("/")[2]))
    async with leader(cluster, namespace):
        second = spawn_policy(namespace, "workers-2")
        await until_async(
            "the second policy to be Enforced", lambda: ready(api, second) == ("True", "Enforced")
        )


async def test_policy_is_not_ready_without_the_webhook_configurations(
    cluster: Cluster, namespace: str
) -> None:
    api = cluster.api
    policy = api.create(spawn_policy(namespace))
    kinds = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    validating = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kinds[1],
        "metadata": {"name": f"guard-{namespace}"},
    }
    async with leader(cluster, namespace):
        await until_async(
            "the policy to be Enforced", lambda: ready(api, policy) == ("True", "Enforced")
        )
        api.delete(validating)
        await until_async(
            "the policy to be NotGoverned", lambda: ready(api, policy) == ("False", "NotGoverned")
        )


async def test_orchestrator_that_runs_as_an_account_of_all_is_told(
    cluster: Cluster, namespace: str
) -> None:
    api = cluster.api
    api.create(agent(namespace, "lead"))
    labels = {"kagent": "lead"}
    pod = {"serviceAccountName": "all", "containers": [{"name": "kagent", "image": "any"}]}
    deployment = api.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "lead", "namespace": namespace},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }
    )
    first, second = (api.create(spawn_policy(namespace, name)) for name in ("workers", "others"))
    async with leader(cluster, namespace):
        for policy in (first, second):
            await until_async(
                "the policy to be AccountNotNamed",
                lambda policy=policy: ready(api, policy) == ("False", "AccountNotNamed"),
            )
        (told,) = status(api, first)["conditions"]
        assert told["message"].startswith("lead runs as all: ")
        subjects = [*first["spec"]["subjects"], {"kind": "ServiceAccount", "name": "all"}]
        api.patch(first, {"spec": {"subjects": subjects}})
        await until_async(
            "the first policy to be Enforced", lambda: ready(api, first) == ("True", "Enforced")
        )
        assert ready(api, second) == ("False", "AccountNotNamed")
        # As kagent does once the Agent names its own.
        own = {"serviceAccountName": "lead", "serviceAccount": None}
        api.patch(deployment, {"spec": {"template": {"spec": own}}})
        await until_async(
            "the second policy to be Enforced",
            lambda: ready(api, second) == ("True", "Enforced"),
            60.0,
        )


async def test_missing_agent_named_by_a_policy_is_reported(
    cluster: Cluster, namespace: str
) -> None:
    api = cluster.api
    policy = api.create(spawn_policy(namespace))

    def message() -> str:
        (found,) = status(api, policy).get("conditions") or [{"message": ""}]
        return str(found["message"])

    async with leader(cluster, namespace):
        await until_async(
            "the message about the missing Agent",
            lambda: message().endswith("its namespace has no Agent lead yet"),
        )
        assert ready(api, policy) == ("True", "Enforced")
        api.create(agent(namespace, "lead"))
        await until_async(
            "the message about governed subjects", lambda: message() == "its subjects are governed"
        )


async def test_unchanged_status_is_not_written(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = count_calls(monkeypatch, PolicyStatuses, "_write_all")
    api = cluster.api
    policy = api.create(spawn_policy(namespace))
    async with leader(cluster, namespace):
        await until_async("the status of the policy", lambda: settled(api, policy))
        version = api.read(policy)["metadata"]["resourceVersion"]
        before = rounds.count
        # The first may be that of the watch event of its own write.
        await until_async("two more rounds", lambda: rounds.count >= before + 2)
        assert api.read(policy)["metadata"]["resourceVersion"] == version


async def test_status_of_a_policy_is_written_at_most_once_a_second(
    cluster: Cluster, namespace: str
) -> None:
    api = cluster.api
    policy = api.create(spawn_policy(namespace))
    versions: set[str] = set()
    async with leader(cluster, namespace):
        await until_async("the status of the policy", lambda: settled(api, policy))
        loop = asyncio.get_running_loop()
        began = loop.time()
        number = 0
        while loop.time() - began < 4.0 or number <= 20:
            number += 1
            changed = api.patch(policy, {"spec": {"maxPromptLength": number}})
            versions.add(str(changed.get("status", {}).get("observedGeneration")))
            await asyncio.sleep(0.02)
        assert len(versions) <= loop.time() - began + 3
        last = api.read(policy)["metadata"]["generation"]
        await until_async(
            "the status to be of the last generation",
            lambda: status(api, policy)["observedGeneration"] == last,
        )


async def test_failed_status_write_is_reported(cluster: Cluster, namespace: str) -> None:
    api = cluster.api
    account = make_account(
        cluster,
        namespace,
        "controller",
        cluster_rules=[
            rule("kagent.dev", "agents", "get list watch"),
            rule("hotpeers.dev", "spawnpolicies", "list watch"),
            rule("admissionregistration.k8s.io", "*", "list watch patch"),
            rule("", "configmaps", "*"),
            rule("coordination.k8s.io", "leases", "get"),
        ],
    )
    api.create(spawn_policy(namespace))
    async with leader(cluster, namespace, kubeconfig=account.kubeconfig()) as leading:
        await until_async("the problem Forbidden", lambda: leading.reasons() == {"Forbidden"})
        (problem,) = leading.duties.problems()
        assert problem.where == f"SpawnPolicy/{namespace}/workers"


async def test_policy_without_subjects_and_a_used_up_one_are_warned_about_once(
    cluster: Cluster, namespace: str
) -> None:
    api, key = cluster.api, f"{namespace}/workers"
    limits = {**LIMITS, "maxAgents": 2}
    policy = api.create(spawn_policy(namespace, limits=limits))
    seen: list[Sequence[Usage]] = []

    def allow(_: object) -> Decision:
        return Decision(allowed=True, policy=key)

    def events() -> dict[str, Object]:
        items = api.list("v1", "Event", namespace)["items"]
        uid = policy["metadata"]["uid"]
        found = [one for one in items if one["involvedObject"]["uid"] == uid]
        assert len({one["reason"] for one in found}) == len(found)
        return {one["reason"]: one for one in found}

    async with leader(cluster, namespace, idle_after=0.0, used=seen.append) as leading:
        await until_async("the Event of the policy", lambda: "GovernsNoSubject" in events())
        for i in range(2):
            await leading.reservations.admit([key], f"{namespace}/worker-{i}", allow)
        await until_async("the Event of its limit", lambda: "AgentsNearLimit" in events())
        api.create(agent(namespace, "lead"))
        await until_async("a subject", lambda: any(one.governs for one in seen[-1]))
    found = events()
    assert {one["type"] for one in found.values()} == {"Warning"}
    assert found["GovernsNoSubject"]["message"].endswith("no Agent lead; correct spec.subjects")
    assert found["AgentsNearLimit"]["message"].startswith("2 of at most 2 agents exist")
    # Without the lead, this replica shows no policies.
    assert seen[-1] == ()
    assert [(one.key, one.alive, one.most) for one in seen[-2]] == [(key, 2, 2)]
