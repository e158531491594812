"""The corpus of legitimate manifests at a real API server: all are admitted, stamped, and live on."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.admission.attempts import AGENTS
from cluster.admission.outcome import APPLY, JSON, MERGE, YAML
from cluster.admission.scene import MANY, SYSTEM, Scene
from cluster.admission.shape import beyond
from hotpeers.spawnpolicy.stamps import FORMAT
from kit import legitimate
from kit.apiserver.client import Api, ApiError, Object
from kit.spawning import SPEC, declarative, edited
from kit.waiting import until

CONFIGS = "/api/v1/namespaces/team/configmaps?dryRun=All"
CONFIG: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any"}}
CASES = legitimate.cases()
LIVES = {"short life": 90, "longest life": 7200}


def test_corpus_has_at_least_50_manifests() -> None:
    assert len(CASES) >= 50


@pytest.fixture(scope="module")
def owner(guarded: Scene, lead: Api) -> str:
    """The uid of the orchestrator."""
    return str(guarded.api.request("GET", f"{AGENTS}/lead")["metadata"]["uid"])


@pytest.mark.parametrize("name", CASES)
def test_legitimate_manifest_is_admitted(name: str, guarded: Scene, lead: Api, owner: str) -> None:
    manifest = CASES[name]
    if manifest["metadata"]["name"] in ("worker-a", "worker-b"):
        manifest = edited(manifest, ("metadata.name", "worker-x"))
    namespace, title = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    path = AGENTS.replace("/team/", f"/{namespace}/")
    tried = lead.request("POST", f"{path}?dryRun=All", manifest)
    begun = datetime.now(UTC)
    made = lead.request("POST", path, manifest)
    try:
        live = guarded.api.request("GET", f"{path}/{title}")
        assert live["metadata"]["uid"] == made["metadata"]["uid"]
        assert stamps(tried) | {"hotpeers.dev/expires-at": ""} == stamps(live) | {
            "hotpeers.dev/expires-at": ""
        }
        assert not beyond(live)
        right(live, owner, begun, LIVES.get(name, 1800))
        # Applied as kubectl does, with none of the stamps: they stay.
        query = "?fieldManager=kubectl&force=true"
        fresh = edited(manifest, ("spec.description", "Applied"))
        fresh["metadata"].pop("managedFields", None)
        after = lead.request("PATCH", f"{path}/{title}{query}", fresh, content_type=APPLY)
        assert stamps(after) == stamps(live)
        assert after["spec"]["description"] == "Applied"
    finally:
        lead.request("DELETE", f"{path}/{title}")
    with pytest.raises(ApiError) as caught:
        guarded.api.request("GET", f"{path}/{title}")
    assert caught.value.status == 404


def stamps(manifest: Object) -> Object:
    """The stamps that the guard wrote on the agent."""
    metadata = manifest["metadata"]
    found = {**metadata["annotations"], **metadata["labels"]}
    found["owners"] = metadata.get("ownerReferences")
    return {
        key: value
        for key, value in found.items()
        if key.startswith("hotpeers.dev/") or key == "owners"
    }


def right(live: Object, owner: str, begun: datetime, seconds: int) -> None:
    """Checks that the agent has exactly the expected stamps."""
    written = stamps(live)
    ttl = written.pop("hotpeers.dev/ttl", None)
    assert (ttl is None) == (seconds == 1800)
    expires = datetime.strptime(written.pop("hotpeers.dev/expires-at"), FORMAT).replace(tzinfo=UTC)
    assert abs((expires - begun).total_seconds() - seconds) < 10
    owners = written.pop("owners")
    assert written == {
        "hotpeers.dev/peer": "true",
        "hotpeers.dev/spawned": "true",
        "hotpeers.dev/spawned-by": "team/lead",
        "hotpeers.dev/spawned-by-serviceaccount": "team/lead",
        "hotpeers.dev/spawned-by-uid": owner,
        "hotpeers.dev/depth": "1",
        "hotpeers.dev/policy": "team/leads",
    }
    if live["metadata"]["namespace"] == "team":
        (reference,) = owners
        assert (reference["kind"], reference["uid"]) == ("Agent", owner)
        assert (reference["controller"], reference["blockOwnerDeletion"]) == (False, False)
    else:
        assert owners is None


@pytest.fixture
def worker(lead: Api) -> Any:
    """An agent of the subject."""
    made = lead.create(declarative("worker-y"))
    yield made
    lead.delete(made)


@pytest.mark.parametrize(
    "taken",
    [
        {"metadata": {"annotations": None}},
        {"metadata": {"labels": None}},
        {"metadata": {"annotations": None, "labels": None, "ownerReferences": None}},
        {"metadata": {"annotations": {"hotpeers.dev/expires-at": None}}},
        {"metadata": {"labels": {"hotpeers.dev/spawned": None}}},
        {"metadata": {"ownerReferences": []}},
        {"spec": {"type": None}},
    ],
)
def test_stamps_that_are_taken_away_come_back(taken: Object, lead: Api, worker: Object) -> None:
    path = f"{AGENTS}/worker-y"
    after = lead.request("PATCH", path, taken, content_type=MERGE)
    assert stamps(after) == stamps(worker)
    assert after["spec"] == worker["spec"]


def test_stamps_stay_whoever_applies(lead: Api, worker: Object) -> None:
    """Fields that were added for one manager go with its next apply: they are put back."""
    for manager in ("one", "two", "one", "two"):
        for force in ("true", "false"):
            path = f"{AGENTS}/worker-y?fieldManager={manager}&force={force}"
            after = lead.request("PATCH", path, declarative("worker-y"), content_type=APPLY)
            assert stamps(after) == stamps(worker)


def test_last_of_two_duplicate_specs_is_judged_and_stored(lead: Api) -> None:
    """The API server stores the last one, and the guard checks the same one."""
    harmless = json.dumps(declarative("worker-z")["spec"])
    head = '"apiVersion":"kagent.dev/v1alpha2","kind":"Agent","metadata":{"name":"worker-z"}'
    hostile = '{"type":"Declarative","declarative":{"executeCodeBlocks":true}}'
    body = f'{{{head},"spec":{hostile},"spec":{harmless}}}'.encode()
    made = lead.request("POST", AGENTS, body, content_type=JSON)
    assert not beyond(made)
    lead.delete(made)


def test_yaml_is_read_once(lead: Api) -> None:
    body = b"""
apiVersion: kagent.dev/v1alpha2
kind: Agent
metadata: {name: worker-z}
spec:
  type: Declarative
  declarative: {runtime: python, modelConfig: small, systemMessage: "Yes: you are brief."}
"""
    made = lead.request("POST", AGENTS, body, content_type=YAML)
    assert made["spec"]["declarative"]["systemMessage"] == "Yes: you are brief."
    assert not beyond(made)
    lead.delete(made)


def test_expiry_is_the_ttl_from_now(lead: Api) -> None:
    manifest = edited(declarative("worker-z"), ('metadata.annotations["hotpeers.dev/ttl"]', "1m"))
    made = lead.create(manifest)
    written = made["metadata"]["annotations"]["hotpeers.dev/expires-at"]
    expires = datetime.strptime(written, FORMAT).replace(tzinfo=UTC)
    assert timedelta(seconds=45) < expires - datetime.now(UTC) <= timedelta(seconds=60)
    lead.delete(made)


def test_generated_name_is_stored(guarded: Scene, lead: Api) -> None:
    manifest = declarative("any")
    manifest["metadata"] = {"namespace": "team", "generateName": "worker-"}
    tried = lead.request("POST", f"{AGENTS}?dryRun=All", manifest)
    made = [lead.request("POST", AGENTS, manifest) for _ in range(3)]
    names = {one["metadata"]["name"] for one in (tried, *made)}
    assert len(names) == 4
    for one in made:
        name = one["metadata"]["name"]
        assert name.startswith("worker-")
        assert len(name) == len("worker-") + 5
        assert one["spec"]["declarative"]["deployment"]["serviceAccountName"] == name
        assert one["metadata"]["annotations"]["hotpeers.dev/spawned-by"] == "team/lead"
        # It is governed, and counted, by that name.
        child = guarded.login(name)
        with pytest.raises(ApiError, match="denied the request"):
            child.request("POST", CONFIGS, CONFIG)
        path = f"{AGENTS}/{name}?fieldManager=kubectl&force=true"
        after = lead.request("PATCH", path, declarative(name), content_type=APPLY)
        assert after["metadata"]["uid"] == one["metadata"]["uid"]
        # Read the counts before the deletion, which frees the slot at once.
        assert name in str(guarded.api.list("v1", "ConfigMap", SYSTEM)["items"])
        lead.delete(one)


@pytest.mark.parametrize(
    ("path", "kind", "spec"),
    [
        ("authentication.k8s.io/v1", "SelfSubjectReview", None),
        (
            "authorization.k8s.io/v1",
            "SelfSubjectAccessReview",
            {"resourceAttributes": {"verb": "create", "group": "kagent.dev", "resource": "agents"}},
        ),
        ("authorization.k8s.io/v1", "SelfSubjectRulesReview", {"namespace": "team"}),
    ],
)
def test_subject_may_ask_about_itself(path: str, kind: str, spec: Object, lead: Api) -> None:
    body = {"apiVersion": path, "kind": kind, **({"spec": spec} if spec else {})}
    found = lead.request("POST", f"/apis/{path}/{kind.lower()}s", body)
    assert found["status"]


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
@pytest.mark.parametrize("dry", [["All"], None])
def test_subject_deletes_its_own_agent(
    propagation: str, dry: list[str] | None, guarded: Scene, lead: Api
) -> None:
    made = lead.create(declarative("worker-gone"))
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
    path = f"{AGENTS}/worker-gone"
    lead.request("DELETE", path, {**options, **({"dryRun": dry} if dry else {})})
    if dry:
        lead.request("DELETE", path, options)

    # The leader finishes a foreground deletion: no garbage collector runs here.
    until("the agent to be gone", lambda: guarded.api.is_gone(made), 60)


def test_events_of_its_own(lead: Api) -> None:
    about = {
        "apiVersion": "kagent.dev/v1alpha2",
        "kind": "Agent",
        "name": "lead",
        "namespace": "team",
    }
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "lead.", "namespace": "team"},
        "involvedObject": about,
        "reason": "PeerAdded",
        "message": "team/weather \u2764\ufe0f",
        "source": {"component": "hotpeers.dev/sidecar"},
        "type": "Normal",
    }
    made = lead.request("POST", "/api/v1/namespaces/team/events", event)
    path = f"/api/v1/namespaces/team/events/{made['metadata']['name']}"
    assert lead.request("PATCH", path, {"count": 2}, content_type=MERGE)["count"] == 2


def test_subject_annotates_its_own_agent(lead: Api, worker: Object) -> None:
    path = f"{AGENTS}/worker-y"
    change = {"metadata": {"annotations": {"example.com/note": "seen"}}}
    after = lead.request("PATCH", path, change, content_type=MERGE)
    assert after["metadata"]["annotations"]["example.com/note"] == "seen"
    after = lead.request(
        "PATCH", path, {"metadata": {"annotations": {"example.com/note": None}}}, content_type=MERGE
    )
    assert stamps(after) == stamps(worker)


def test_card_and_secrets_of_skills_where_a_policy_allows_them(guarded: Scene) -> None:
    skills = {**SPEC["skills"], "gitAuthSecrets": ["git-token"]}
    api = guarded.govern("speaker", a2aConfig=True, skills=skills)
    skill = {"id": "x", "name": "Look up", "description": "Finds things.", "tags": ["a"]}
    git = {"url": "https://git.example.com/team/skills", "ref": "v1"}
    manifest = edited(
        declarative("worker-card"),
        ("spec.declarative.a2aConfig.skills", [{**skill, "inputModes": ["text/plain"]}]),
        ("spec.skills", {"gitRefs": [git], "gitAuthSecretRef": {"name": "git-token"}}),
    )
    made = api.create(manifest)
    assert made["spec"]["declarative"]["a2aConfig"] == manifest["spec"]["declarative"]["a2aConfig"]
    api.delete(made)


def test_emptied_resources_are_never_stored(guarded: Scene) -> None:
    bound = {**MANY}
    bound.pop("resources")
    api = guarded.govern("frugal", limits=bound)
    where = "spec.declarative.deployment.resources"
    for value in ({}, {"limits": {}}, {"requests": {}}):
        with pytest.raises(ApiError, match="ResourcesExceeded"):
            api.create(edited(declarative("worker-frugal"), (where, value)))
    made = api.create(declarative("worker-frugal"))
    change = {"spec": {"declarative": {"deployment": {"resources": {}}}}}
    with pytest.raises(ApiError, match="ResourcesExceeded"):
        api.request("PATCH", api.path(made), change, content_type=MERGE)
    api.delete(made)


def test_policy_status_reports_unchecked_secret_names(guarded: Scene, lead: Api) -> None:
    path = "/apis/hotpeers.dev/v1alpha1/namespaces/team/spawnpolicies/leads"

    def is_reported() -> bool:
        status = guarded.api.request("GET", path).get("status", {})
        found = {one["type"]: one["status"] for one in status.get("conditions", [])}
        return found.get("SecretNamesChecked") == "False"

    until("the condition SecretNamesChecked", is_reported, 90)
