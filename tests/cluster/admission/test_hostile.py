"""The corpus of hostile manifests at a real API server: none is admitted, and none is stored."""

import copy
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest

from cluster.admission.attempts import AGENTS
from cluster.admission.outcome import APPLY, MERGE, Attempt, By, Outcome, at_once, attempt, listed
from cluster.admission.scene import Scene
from cluster.admission.shape import beyond
from cluster.admission.world import difference, world
from kit import hostile
from kit.apiserver.client import Api, ApiError
from kit.spawning import edited

CASES = hostile.cases()
# The API server drops these itself before anybody sees them, and writes the kind that belongs to an
# address: what is left is an agent as any other.
MENDED = {
    "audience: null",
    *(f"top: {name}" for name in ("another kind", "lower case kind", "a field beside spec")),
    *(f"top: {name}" for name in ("data", "items", "deletion", "grace", "self link")),
    "top: cluster name",
}
# To apply nothing is to ask for nothing: it leaves such fields out.
NULLS = {"Declarative resources: null", "BYO resources: null"}


@pytest.fixture(autouse=True)
def _unchanged(guarded: Scene, lead: Api) -> Iterator[None]:
    """The stored objects are the same before and after each test."""
    digits = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    before = world(guarded.api)
    yield
    sys.set_int_max_str_digits(digits)
    assert difference(before, world(guarded.api)) == {}


def address(manifest: Any) -> str:
    """Where it says that it wants to be."""
    metadata = manifest.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    return AGENTS.replace("/team/", f"/{namespace if isinstance(namespace, str) else 'team'}/")


def judged(outcomes: Mapping[str, Outcome], least: int) -> None:
    """No manifest was admitted.

    The guard refused each one, except those that the API server cannot parse.
    """
    admitted = [name for name, one in outcomes.items() if one.by is By.NOBODY]
    assert not admitted, listed(outcomes, admitted)
    faults = [name for name, one in outcomes.items() if one.by is By.FAULT]
    assert not faults, listed(outcomes, faults)
    assert sum(one.by is By.GUARD for one in outcomes.values()) >= least


def fresh(cases: Mapping[str, Any]) -> dict[str, Any]:
    """Gives each manifest an unused name, unless its name is the hostile part."""
    found = {}
    for number, (title, manifest) in enumerate(cases.items()):
        metadata = manifest.get("metadata")
        plain = isinstance(metadata, dict) and metadata.get("name") in ("worker-a", "worker-b")
        name = ("metadata.name", f"worker-evil-{number}")
        found[title] = edited(manifest, name) if plain else manifest
    return found


@pytest.mark.parametrize("query", ["", "?dryRun=All", "?fieldValidation=Ignore"])
def test_no_hostile_manifest_is_created(query: str, guarded: Scene, lead: Api) -> None:
    def create(title: str, manifest: Any) -> Outcome:
        outcome = attempt(lead, Attempt("POST", address(manifest) + query, manifest))
        return harmless(guarded, outcome) if title in MENDED else outcome

    judged(at_once(create, fresh(CASES)), 400)


def test_no_hostile_manifest_is_applied(guarded: Scene, lead: Api) -> None:
    def apply(title: str, manifest: Any) -> Outcome:
        metadata = manifest.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        target = quote(name, safe="")[:300] if name and isinstance(name, str) else "worker-evil"
        path = f"{address(manifest)}/{target}?fieldManager=evil&force=true"
        outcome = attempt(lead, Attempt("PATCH", path, manifest, APPLY))
        return harmless(guarded, outcome) if title in MENDED | NULLS else outcome

    judged(at_once(apply, fresh(CASES)), 350)


def harmless(guarded: Scene, outcome: Outcome) -> Outcome:
    """The API server corrected these manifests before admission: the stored object is harmless."""
    if outcome.by is By.NOBODY:
        assert not beyond(outcome.found)
        with suppress(ApiError):  # it was dry
            guarded.api.delete(outcome.found)
        return Outcome(By.SERVER)
    return outcome


@pytest.mark.parametrize("how", ["replaced", "merged", "applied"])
def test_no_agent_becomes_one(how: str, lead: Api) -> None:
    """An agent that was admitted is changed into each of them; it stays to the letter as it was."""
    old = {name: lead.request("GET", f"{AGENTS}/{name}") for name in ("worker-a", "worker-b")}

    def change(_: str, manifest: Any) -> Outcome:
        whole = copy.deepcopy(manifest)
        spec = whole.get("spec")
        is_byo = isinstance(spec, dict) and "byo" in spec and "declarative" not in spec
        target = "worker-b" if is_byo else "worker-a"
        path = f"{AGENTS}/{target}"
        metadata = whole.get("metadata")
        if how == "replaced":
            if isinstance(metadata, dict):
                metadata["resourceVersion"] = old[target]["metadata"]["resourceVersion"]
            request = Attempt("PUT", path, whole)
        elif how == "merged":
            request = Attempt("PATCH", path, whole, MERGE)
        else:
            request = Attempt("PATCH", f"{path}?fieldManager=evil&force=true", whole, APPLY)
        outcome = attempt(lead, request)
        if outcome.by is By.NOBODY and unchanged(old[target], outcome.found):
            # It requested the current state, or only fields that the API server does not store.
            return Outcome(By.SERVER)
        return outcome

    judged(at_once(change, CASES), 300)


def unchanged(before: Any, after: Any) -> bool:
    """Whether two states of an agent are the same, but for who manages its fields."""

    def told(state: Any) -> str:
        state = copy.deepcopy(state)
        for key in ("managedFields", "resourceVersion"):
            state["metadata"].pop(key, None)
        return json.dumps(state, sort_keys=True)

    return told(before) == told(after)
