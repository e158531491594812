"""`podSecurity: restricted` at a real API server: what it stamps stays, and PodSecurity lets its pods in."""

import copy
import json
from typing import Any

import pytest

from cluster.admission.attempts import AGENTS
from cluster.admission.outcome import (
    APPLY,
    MERGE,
    PATCH,
    Attempt,
    By,
    Outcome,
    at_once,
    attempt,
    listed,
)
from cluster.admission.scene import Scene
from e2e.site import Site
from e2e.stage import RESTRICTED as ENFORCED
from e2e.translator import translate
from kit import loosening
from kit.apiserver.client import Api, ApiError, Object
from kit.apiserver.namespaces import create_namespace
from kit.loosening import GIT, RESTRICTED, RESTRICTED_POD
from kit.spawning import byo, declarative, edited

CASES = loosening.cases()
DEPLOYMENT = "spec.declarative.deployment"
SITE = Site({"small": "http://model"})


@pytest.fixture(scope="module")
def strict(guarded: Scene) -> Api:
    """The API as an orchestrator whose policy asks for the level `restricted`."""
    return guarded.govern("strict", podSecurity="restricted")


def deployment(manifest: Object) -> Object:
    spec = manifest["spec"]
    return dict(spec["byo" if spec["type"] == "BYO" else "declarative"]["deployment"])


def is_stamped(manifest: Object, **user: int) -> bool:
    found = deployment(manifest)
    wanted = [RESTRICTED, {**RESTRICTED_POD, **user}]
    said = [found.get("securityContext"), found.get("podSecurityContext")]
    return json.dumps(said, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def refused(outcomes: dict[str, Outcome]) -> None:
    """The guard refused each. A null may also count as omitted: then it is stamped."""
    wrong = [
        title
        for title, one in outcomes.items()
        if one.by is not By.GUARD
        and not ("null" in title and one.by is By.NOBODY and is_stamped(one.found))
        and one.by is not By.SERVER
    ]
    assert not wrong, listed(outcomes, wrong)
    assert sum(one.by is By.GUARD for one in outcomes.values()) > 100


@pytest.mark.parametrize("how", ["created", "applied"])
def test_nothing_loosens_it(how: str, strict: Api) -> None:
    def make(title: str, manifest: Any) -> Outcome:
        named = edited(manifest, ("metadata.name", "worker-loose"))
        if how == "created":
            return attempt(strict, Attempt("POST", f"{AGENTS}?dryRun=All", named))
        path = f"{AGENTS}/worker-loose?fieldManager=x&force=true&dryRun=All"
        return attempt(strict, Attempt("PATCH", path, named, APPLY))

    refused(at_once(make, CASES))


def test_later_change_does_not_loosen_pod_security(strict: Api) -> None:
    for base, name in ((declarative(), "worker-tight"), (byo(), "worker-tight-byo")):
        strict.create(edited(base, ("metadata.name", name)))
    before = {
        name: strict.request("GET", f"{AGENTS}/{name}")
        for name in ("worker-tight", "worker-tight-byo")
    }

    def change(title: str, manifest: Any) -> Outcome:
        name = "worker-tight-byo" if "byo" in manifest["spec"] else "worker-tight"
        spec = {"spec": copy.deepcopy(manifest["spec"])}
        whole = {**before[name], **spec}
        for method, body, kind in (("PUT", whole, "application/json"), ("PATCH", spec, MERGE)):
            one = Attempt(method, f"{AGENTS}/{name}", body, kind)
            outcome = attempt(strict, one)
            if outcome.by is By.NOBODY and is_stamped(outcome.found):
                continue  # merged into the current object, or null: nothing changed
            if outcome.by is not By.GUARD:
                return outcome
        return Outcome(By.GUARD)

    refused(at_once(change, CASES))
    for path in ("securityContext/capabilities", "podSecurityContext/runAsNonRoot"):
        where = f"/spec/declarative/deployment/{path}"
        removal = [{"op": "remove", "path": where}]
        one = Attempt("PATCH", f"{AGENTS}/worker-tight", removal, PATCH)
        outcome = attempt(strict, one)
        # A removed setting is restored.
        assert outcome.by is By.NOBODY, outcome
    for name, old in before.items():
        after = strict.request("GET", f"{AGENTS}/{name}")
        assert is_stamped(after)
        assert after["spec"] == old["spec"]
        strict.delete(old)


@pytest.fixture(scope="module")
def enforced(guarded: Scene) -> str:
    """A namespace that enforces the level `restricted`."""
    create_namespace(guarded.api, "enforced", ENFORCED)
    return "enforced"


def pod_of(agent: Object, namespace: str) -> Object:
    """The pod that a Deployment of kagent's makes, in another namespace."""
    workload = translate(agent, SITE)[-1]
    template = copy.deepcopy(workload["spec"]["template"])
    template["metadata"] |= {"name": "pod", "namespace": namespace}
    template["spec"]["serviceAccountName"] = "default"
    return {"apiVersion": "v1", "kind": "Pod", **template}


AGENTS_OF = {
    "a declarative agent": edited(declarative("worker-p"), ("spec.declarative.systemMessage", "x")),
    "one with skills": edited(
        declarative("worker-p"),
        ("spec.declarative.systemMessage", "x"),
        ("spec.skills.gitRefs", GIT),
    ),
    "an own image": byo("worker-p"),
    "an own image with skills": edited(byo("worker-p"), ("spec.skills.gitRefs", GIT)),
}


@pytest.mark.parametrize("name", AGENTS_OF)
def test_pods_are_admitted_where_restricted_is_enforced(
    name: str, guarded: Scene, strict: Api, lead: Api, enforced: str
) -> None:
    admin = guarded.api
    pods = f"/api/v1/namespaces/{enforced}/pods?dryRun=All"
    account = {"metadata": {"name": "default", "namespace": enforced}}
    admin.apply({"apiVersion": "v1", "kind": "ServiceAccount", **account})
    made = strict.create(AGENTS_OF[name])
    try:
        user = {"runAsUser": 1001} if name == "one with skills" else {}
        assert is_stamped(made, **user)
        pod = admin.request("POST", pods, pod_of(made, enforced))
        assert pod["spec"]["securityContext"] == {**RESTRICTED_POD, **user}
        containers = pod["spec"]["containers"] + pod["spec"].get("initContainers", [])
        assert all(one["securityContext"] == RESTRICTED for one in containers)
        assert len(containers) == (2 if "skills" in name else 1)
    finally:
        strict.delete(made)
    # The same agent under a policy that asks for nothing is refused there.
    loose = lead.create(AGENTS_OF[name])
    try:
        with pytest.raises(ApiError, match="violates PodSecurity"):
            admin.request("POST", pods, pod_of(loose, enforced))
    finally:
        lead.delete(loose)


def test_stored_agent_can_be_applied_again(strict: Api) -> None:
    made = strict.create(declarative("worker-again"))
    try:
        path = f"{AGENTS}/worker-again?fieldManager=kubectl&force=true"
        whole = copy.deepcopy(made)
        whole["metadata"].pop("managedFields")
        after = strict.request("PATCH", path, whole, content_type=APPLY)
        assert is_stamped(after)
        # And without it once more: what was its own goes, and is stamped again.
        plain = declarative("worker-again")
        after = strict.request("PATCH", path, plain, content_type=APPLY)
        assert is_stamped(after)
    finally:
        strict.delete(made)
