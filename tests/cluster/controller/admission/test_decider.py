"""Reads of the guard from a real API server: it denies requests when a read fails."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hotpeers.base.errors import GovernError
from hotpeers.base.reasons import Reason
from hotpeers.controller.admission.confirmation import NotReadyError
from hotpeers.controller.admission.decider import Decider, Verdict
from hotpeers.controller.admission.knowledge import Knowledge
from hotpeers.controller.admission.live import Live
from hotpeers.controller.admission.pace import MOST
from hotpeers.controller.quota.reservations import Reservations, Timing
from hotpeers.controller.reasons import ControllerReason
from hotpeers.kube.client import Client
from hotpeers.kube.errors import ForbiddenError, KubeError, UnreachableError
from hotpeers.spawnpolicy.known import read_known_policy
from hotpeers.spawnpolicy.reasons import PolicyReason
from hotpeers.spawnpolicy.request import Phase
from hotpeers.spawnpolicy.review import Review, read_review
from kit.apiserver.client import Object
from kit.apiserver.namespaces import create_namespace, remove_namespace
from kit.apiserver.resources import account_manifest, install_crd
from kit.apiserver.server import Cluster
from kit.controller.guard_scene import orchestrator, spawn_policy
from kit.controller.scene import client_of, ended, running
from kit.spawning import declarative, edited
from kit.waiting import until_async

POLICIES = Path(__file__).parents[4] / "k8s" / "crds" / "spawnpolicies.hotpeers.dev.yaml"
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


@dataclass
class Governing:
    """Records the accounts to govern. `ensure` raises `failure` if it is set."""

    accounts: list[tuple[str, str]] = field(default_factory=list)
    failure: Exception | None = None
    ranges: bool = False

    def spans(self, account: tuple[str, str]) -> bool:
        return self.ranges

    async def ensure(self, accounts: Iterable[tuple[str, str]]) -> None:
        self.accounts += accounts
        if self.failure is not None:
            raise self.failure


@dataclass
class Registry:
    """Holds one template."""

    spec: dict[str, Any] | None = None
    asked: list[str] = field(default_factory=list)

    async def spec_of(self, key: str, wanted: Any) -> dict[str, Any] | None:
        assert wanted["kind"] == "Agent"
        self.asked.append(key)
        return self.spec


@dataclass
class Scene:
    """A guard in this process, and the namespace that it is asked about."""

    cluster: Cluster
    namespace: str
    client: Client
    knowledge: Knowledge
    decider: Decider
    governing: Governing
    registry: Registry
    following: asyncio.Task[None]

    async def knows(self, *manifests: Object) -> None:
        """Create these, and wait until the guard knows them."""
        made = [self.cluster.api.create(one)["metadata"]["uid"] for one in manifests]

        def all_known() -> bool:
            found = [*self.knowledge.agents(), *self.knowledge.policies()]
            return set(made) <= {one.uid for one in found}

        await until_async("all agents and policies to be known", all_known)

    def review(self, manifest: Any, user: str = "lead", **changes: Any) -> Review:
        """A request about an agent, of the validating webhook unless it is said."""
        phase = changes.pop("phase", Phase.VALIDATING)
        resource = {"group": "kagent.dev", "version": "v1alpha2", "resource": "agents"}
        request = {
            "uid": "1",
            "operation": "CREATE",
            "resource": resource,
            "namespace": self.namespace,
            "name": manifest["metadata"]["name"] if manifest else "",
            "userInfo": {
                "username": f"system:serviceaccount:{self.namespace}:{user}",
                "uid": UID,
            },
            "object": manifest,
            **changes,
        }
        return read_review(_body(request), phase)

    async def create(self, manifest: Any, **changes: Any) -> Verdict:
        """Both webhooks, one after the other, as an API server asks them."""
        first = await self.decider.decide(self.review(manifest, phase=Phase.MUTATING, **changes))
        if not first.decision.allowed:
            return first
        made = first.decision.object or manifest
        return await self.decider.decide(self.review(made, **changes))


def _body(request: Any) -> bytes:

    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    return json.dumps({**review, "request": request}).encode()


def reasons(verdict: Verdict) -> list[Reason]:
    assert not verdict.decision.allowed
    return [one.reason for one in verdict.decision.denials]


@pytest.fixture
async def scene(cluster: Cluster, crds: list[str], namespace: str) -> AsyncIterator[Scene]:
    install_crd(cluster.api, POLICIES)
    async with client_of(cluster.kubeconfig) as client:
        knowledge = Knowledge(client)
        governing, registry = Governing(), Registry()
        ledger = Reservations(client, namespace, "no-lease", timing=Timing(bound=60.0))
        decider = Decider(knowledge, Live(client), ledger, governing, registry)
        async with running(knowledge.run()) as (following,):
            await until_async("the first list", lambda: knowledge.listed)
            yield Scene(
                *(cluster, namespace, client, knowledge, decider),
                *(governing, registry, following),
            )


async def test_account_is_governed_before_its_agent_is_admitted(scene: Scene) -> None:
    await scene.knows(orchestrator(scene.namespace), spawn_policy(scene.namespace))
    manifest = declarative("worker-a", scene.namespace)
    assert (await scene.create(manifest, dryRun=True)).decision.allowed
    assert scene.governing.accounts == []
    verdict = await scene.create(manifest)
    assert verdict.decision.allowed
    assert verdict.mode == "Enforce"
    assert scene.governing.accounts == [(scene.namespace, "worker-a")]
    scene.governing.failure = GovernError("the configurations cannot be written")
    with pytest.raises(GovernError):
        await scene.create(declarative("worker-b", scene.namespace))


async def test_certain_denial_reads_nothing_from_the_cluster(scene: Scene) -> None:
    await scene.knows(orchestrator(scene.namespace), spawn_policy(scene.namespace))

    async def no_look(*_: Any, **__: Any) -> Any:
        raise AssertionError("a look at the cluster")

    scene.client.get = scene.client.metadata = scene.client.put = no_look  # type: ignore[method-assign]
    bad = edited(declarative("worker-a", scene.namespace), ("spec.declarative.runtime", "go"))
    for operation, old in (("CREATE", None), ("UPDATE", bad), ("DELETE", bad)):
        verdict = await scene.decider.decide(
            scene.review(bad, operation=operation, oldObject=old, phase=Phase.VALIDATING)
        )
        assert not verdict.decision.allowed
    pods = {"group": "", "version": "v1", "resource": "pods"}
    verdict = await scene.decider.decide(scene.review(bad, resource=pods))
    assert reasons(verdict) == [PolicyReason.RESOURCE_NOT_ALLOWED]
    # And the mutating webhook looks at nothing either.
    good = declarative("worker-a", scene.namespace)
    assert (await scene.decider.decide(scene.review(good, phase=Phase.MUTATING))).decision.allowed


async def test_unreadable_counts_admit_no_agent(scene: Scene) -> None:
    await scene.knows(orchestrator(scene.namespace), spawn_policy(scene.namespace))

    async def down(*_: Any, **__: Any) -> Any:
        raise KubeError("down")

    scene.client.post = scene.client.put = down  # type: ignore[method-assign]
    with pytest.raises(Exception, match="down"):
        await scene.create(declarative("worker-a", scene.namespace))
    scene.client.metadata = down  # type: ignore[method-assign]
    with pytest.raises(KubeError, match="down"):
        await scene.create(declarative("worker-a", scene.namespace))


async def test_secret_of_the_name_that_cannot_be_looked_for_is_not_taken_as_free(
    scene: Scene,
) -> None:
    await scene.knows(orchestrator(scene.namespace), spawn_policy(scene.namespace))
    look, manifest = scene.client.metadata, declarative("worker-a", scene.namespace)
    error: KubeError = UnreachableError("down")

    async def blind(path: str) -> Any:
        if "/secrets/" in path:
            raise error
        return await look(path)

    scene.client.metadata = blind  # type: ignore[method-assign]
    with pytest.raises(UnreachableError):
        await scene.create(manifest)
    # Who may not look was not meant to: operators keep the names apart.
    error = ForbiddenError("no", 403)
    assert (await scene.create(manifest)).decision.allowed


async def test_audit_admits_an_agent_when_a_lookup_fails(scene: Scene) -> None:
    await scene.knows(orchestrator(scene.namespace), spawn_policy(scene.namespace, mode="Audit"))
    scene.cluster.api.create(account_manifest(scene.namespace, "worker-a"))
    manifest = declarative("worker-a", scene.namespace)
    verdict = await scene.create(manifest)
    assert verdict.decision.allowed
    assert verdict.mode == "Audit"
    assert [one.reason for one in verdict.decision.denials] == [PolicyReason.NAME_OCCUPIED]

    async def down(*_: Any, **__: Any) -> Any:
        raise KubeError("down")

    scene.client.metadata = down  # type: ignore[method-assign]
    verdict = await scene.create(manifest)
    assert verdict.decision.allowed
    assert verdict.decision.denials == ()
    # The agent is not counted, and its account is not governed.
    assert scene.governing.accounts == []


async def test_policy_that_cannot_be_read_refuses_everything(scene: Scene) -> None:
    await scene.knows(orchestrator(scene.namespace))
    broken = spawn_policy(scene.namespace)
    # As a definition of a later version would let it in.
    scene.knowledge._policies.store.put(
        edited(broken, ("spec.invented", 1), ("metadata.uid", "x")), read_known_policy
    )
    scene.knowledge._changed()
    verdict = await scene.create(declarative("worker-a", scene.namespace))
    assert reasons(verdict) == [PolicyReason.POLICY_INVALID]
    assert verdict.decision.policy == f"{scene.namespace}/workers"


async def test_agent_without_a_policy_is_not_governed(scene: Scene) -> None:
    await scene.knows(orchestrator(scene.namespace))
    manifest = declarative("anything", scene.namespace)
    verdict = await scene.create(manifest)
    assert verdict.decision.allowed
    assert verdict.decision.object is None
    stamped = edited(manifest, ('metadata.labels["hotpeers.dev/spawned"]', "true"))
    assert reasons(await scene.create(stamped)) == [PolicyReason.STAMP_FORGED]
    kept = await scene.decider.decide(
        scene.review(stamped, operation="UPDATE", oldObject=copy.deepcopy(stamped))
    )
    assert kept.decision.allowed


async def test_policy_that_is_newer_than_what_is_known_frees_nobody(scene: Scene) -> None:
    await scene.knows(orchestrator(scene.namespace))
    await ended(scene.following)
    scene.cluster.api.create(spawn_policy(scene.namespace))
    with pytest.raises(NotReadyError, match="changed and was not read yet"):
        await scene.create(declarative("worker-a", scene.namespace))


async def test_agent_newer_than_the_cache_is_not_judged(scene: Scene) -> None:
    await scene.knows(spawn_policy(scene.namespace))
    await ended(scene.following)
    scene.cluster.api.create(orchestrator(scene.namespace))
    with pytest.raises(NotReadyError, match="changed and was not read yet"):
        await scene.create(declarative("worker-a", scene.namespace))


@pytest.mark.parametrize("ranges", [False, True])
async def test_spawned_agent_that_is_newer_than_what_is_known_is_not_free(
    scene: Scene, ranges: bool
) -> None:
    scene.governing.ranges = ranges
    somebodys = declarative("worker-a", scene.namespace)
    await scene.knows(somebodys)
    await ended(scene.following)
    scene.cluster.api.delete(somebodys)
    stamped = edited(
        somebodys,
        ('metadata.labels["hotpeers.dev/spawned"]', "true"),
        ('metadata.annotations["hotpeers.dev/policy"]', "elsewhere/workers"),
        ('metadata.annotations["hotpeers.dev/depth"]', "1"),
    )
    scene.cluster.api.create(stamped)
    with pytest.raises(NotReadyError, match="changed and was not read yet"):
        await scene.create(declarative("worker-b", scene.namespace), user="worker-a")


@pytest.mark.parametrize("owned", [False, True])
async def test_what_is_left_of_an_agent_stays_governed(scene: Scene, owned: bool) -> None:
    owner = {"apiVersion": "kagent.dev/v1alpha2", "kind": "Agent", "name": "lead", "uid": "gone"}
    manifest = account_manifest(scene.namespace, "lead", ownerReferences=[owner] if owned else [])
    made = scene.cluster.api.create(manifest)
    user = {
        "username": f"system:serviceaccount:{scene.namespace}:lead",
        "uid": made["metadata"]["uid"],
    }
    verdict = await scene.create(declarative("any", scene.namespace), userInfo=user)
    assert verdict.decision.allowed is not owned
    if owned:
        assert reasons(verdict) == [PolicyReason.POLICY_MISSING]


async def test_account_that_is_gone_is_refused(scene: Scene) -> None:
    verdict = await scene.create(declarative("any", scene.namespace))
    assert reasons(verdict) == [PolicyReason.POLICY_MISSING]


async def test_user_that_is_no_service_account_is_allowed(scene: Scene) -> None:
    user = {"username": "kubernetes-admin", "uid": ""}
    verdict = await scene.create(declarative("any", scene.namespace), userInfo=user)
    assert verdict.decision.allowed


async def test_no_request_is_judged_before_the_caches_are_filled(scene: Scene) -> None:
    fresh = Knowledge(scene.client)
    decider = Decider(fresh, Live(scene.client), scene.decider._quota, scene.governing)
    with pytest.raises(NotReadyError, match="SpawnPolicy in all namespaces are not known yet"):
        await decider.decide(scene.review(declarative("worker-a", scene.namespace)))


TEMPLATE = 'metadata.annotations["hotpeers.dev/template"]'


def made_from(scene: Scene, key: str, *edits: tuple[str, Any]) -> Object:
    manifest = declarative("worker-a", scene.namespace)
    return dict(edited(manifest, (TEMPLATE, key), *edits))


async def test_template_in_the_namespace(scene: Scene) -> None:
    templates = {"agents": ["blueprint", "missing"]}
    await scene.knows(
        orchestrator(scene.namespace),
        spawn_policy(scene.namespace, templates=templates),
        declarative("blueprint", scene.namespace),
    )
    manifest = made_from(scene, "agent:blueprint")
    first = await scene.decider.decide(scene.review(manifest, phase=Phase.MUTATING))
    stamps = first.decision.object["metadata"]["annotations"]
    assert stamps["hotpeers.dev/template-digest"].startswith("sha256:")
    assert (await scene.create(manifest)).decision.allowed
    # An update without the template annotation is compared with the template, and the annotation is
    # restored.
    bare = declarative("worker-a", scene.namespace)
    update = {"operation": "UPDATE", "oldObject": first.decision.object, "phase": Phase.MUTATING}
    kept = (await scene.decider.decide(scene.review(bare, **update))).decision
    assert kept.allowed
    annotations = kept.object["metadata"]["annotations"]
    assert annotations["hotpeers.dev/template"] == "agent:blueprint"
    changed = edited(bare, ("spec.description", "another"))
    assert PolicyReason.TEMPLATE_CHANGED in reasons(
        await scene.decider.decide(scene.review(changed, **update))
    )
    other = made_from(scene, "agent:blueprint", ("spec.description", "another"))
    assert PolicyReason.TEMPLATE_CHANGED in reasons(await scene.create(other))
    assert PolicyReason.TEMPLATE_UNKNOWN in reasons(
        await scene.create(made_from(scene, "agent:missing"))
    )
    # One that no policy names is not even looked for.
    assert reasons(await scene.create(made_from(scene, "agent:lead"))) == [
        PolicyReason.TEMPLATE_NOT_ALLOWED
    ]
    # An unrelated fault is reported at once, and alone.
    worse = made_from(scene, "agent:blueprint", ("spec.declarative.runtime", "go"))
    assert reasons(await scene.create(worse)) == [PolicyReason.RUNTIME_NOT_ALLOWED]


@pytest.fixture
def elsewhere(scene: Scene) -> Iterator[str]:
    """Another namespace."""
    name = f"{scene.namespace}-elsewhere"
    create_namespace(scene.cluster.api, name)
    yield name
    remove_namespace(scene.cluster.api, name)


async def test_template_is_of_the_namespace_of_the_policy(scene: Scene, elsewhere: str) -> None:
    templates = {"agents": ["worker-blueprint"]}
    await scene.knows(
        orchestrator(scene.namespace),
        spawn_policy(scene.namespace, templates=templates, targetNamespaces=[elsewhere]),
        # The subject may make one of this name where it may make agents.
        edited(declarative("worker-blueprint", elsewhere), ("spec.description", "forged")),
    )
    forged = edited(
        declarative("worker-a", elsewhere),
        (TEMPLATE, "agent:worker-blueprint"),
        ("spec.description", "forged"),
    )
    assert reasons(await scene.create(forged, namespace=elsewhere)) == [
        PolicyReason.TEMPLATE_UNKNOWN
    ]
    await scene.knows(declarative("worker-blueprint", scene.namespace))
    assert reasons(await scene.create(forged, namespace=elsewhere)) == [
        PolicyReason.TEMPLATE_CHANGED
    ]
    made = edited(declarative("worker-a", elsewhere), (TEMPLATE, "agent:worker-blueprint"))
    assert (await scene.create(made, namespace=elsewhere)).decision.allowed


async def test_names_of_subjects_are_refused_in_another_namespace(
    scene: Scene, elsewhere: str
) -> None:
    await scene.knows(
        orchestrator(scene.namespace),
        spawn_policy(scene.namespace, targetNamespaces=[elsewhere]),
        spawn_policy(elsewhere, subjects=[{"kind": "Agent", "name": "worker-boss"}]),
    )
    boss = declarative("worker-boss", elsewhere)
    assert reasons(await scene.create(boss, namespace=elsewhere)) == [PolicyReason.NAME_NOT_ALLOWED]
    other = declarative("worker-other", elsewhere)
    assert (await scene.create(other, namespace=elsewhere)).decision.allowed


async def test_child_in_another_namespace_stays_under_its_policy(
    scene: Scene, elsewhere: str
) -> None:
    await scene.knows(
        orchestrator(scene.namespace),
        spawn_policy(scene.namespace, targetNamespaces=[elsewhere]),
    )
    first = await scene.create(declarative("worker-a", elsewhere), namespace=elsewhere)
    assert first.decision.allowed
    stamped = scene.decider.decide(
        scene.review(declarative("worker-a", elsewhere), namespace=elsewhere, phase=Phase.MUTATING)
    )
    await scene.knows((await stamped).decision.object)
    user = {"username": f"system:serviceaccount:{elsewhere}:worker-a", "uid": UID}
    child = declarative("worker-b", elsewhere)
    verdict = await scene.create(child, namespace=elsewhere, userInfo=user)
    assert verdict.decision.allowed
    assert verdict.decision.policy == f"{scene.namespace}/workers"
    assert verdict.subject is not None
    assert verdict.subject.depth == 1


async def test_template_of_the_registry(scene: Scene) -> None:
    templates = {"registry": ["acme.worker@1.0"]}
    await scene.knows(
        orchestrator(scene.namespace), spawn_policy(scene.namespace, templates=templates)
    )
    manifest = made_from(scene, "registry:acme.worker@1.0")
    assert reasons(await scene.create(manifest)) == [PolicyReason.TEMPLATE_UNKNOWN]
    scene.registry.spec = manifest["spec"]
    assert (await scene.create(manifest)).decision.allowed
    assert set(scene.registry.asked) == {"registry:acme.worker@1.0"}
    scene.registry.asked.clear()
    other = made_from(scene, "registry:acme.worker@2.0")
    assert reasons(await scene.create(other)) == [PolicyReason.TEMPLATE_NOT_ALLOWED]
    assert scene.registry.asked == []


async def test_events_of_a_subject_are_bounded_and_dry_ones_do_not_count(scene: Scene) -> None:
    await scene.knows(orchestrator(scene.namespace), spawn_policy(scene.namespace))
    about = {"kind": "Agent", "name": "lead", "namespace": scene.namespace}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "lead.1", "namespace": scene.namespace},
        "involvedObject": about,
        "reason": "PeerAdded",
        "message": "x",
    }
    at = {"resource": {"group": "", "version": "v1", "resource": "events"}}

    async def write(**changes: Any) -> Verdict:
        return await scene.decider.decide(scene.review(event, **at, **changes))

    for _ in range(MOST + 1):
        assert (await write(dryRun=True)).decision.allowed
        assert (await write(phase=Phase.MUTATING)).decision.allowed
    for _ in range(MOST):
        assert (await write()).decision.allowed
    assert reasons(await write()) == [ControllerReason.TOO_MANY_EVENTS]
    assert (await write(dryRun=True)).decision.allowed
