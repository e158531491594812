"""`podSecurity: restricted`: an admitted agent has exactly the stamped settings."""

import copy
from typing import Any

import pytest
from hypothesis import given

from hotpeers.spawnpolicy.digest import digest_of
from hotpeers.spawnpolicy.explain import explain
from hotpeers.spawnpolicy.reasons import PolicyReason
from hotpeers.spawnpolicy.request import Facts
from kit import hostile, legitimate, loosening
from kit.loosening import GIT, RESTRICTED, RESTRICTED_POD
from kit.spawning import NOW, SPEC, VALIDATING, byo, create, declarative, edited, policy, update
from unit.spawnpolicy.test_closure import SLOW, changed

STRICT = policy(podSecurity="restricted")
LOOSE = loosening.cases()
CONTEXTS = ("securityContext", "podSecurityContext")


def deployment(manifest: Any) -> Any:
    spec = manifest["spec"]
    return spec["byo" if spec["type"] == "BYO" else "declarative"]["deployment"]


def is_restricted(manifest: Any) -> bool:
    spec, found = manifest["spec"], deployment(manifest)
    pod: dict[str, Any] = dict(RESTRICTED_POD)
    if spec["type"] == "Declarative" and "skills" in spec:
        pod["runAsUser"] = 1001
    # repr distinguishes 1 from true.
    said = [repr(sorted(found[key].items())) for key in CONTEXTS]
    return said == [repr(sorted(one.items())) for one in (RESTRICTED, pod)]


# Those that write a context of their own, as they may where nothing is enforced.
PLAIN = {name: one for name, one in legitimate.cases().items() if name != "hardened"}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_agent_is_stamped_and_can_be_updated(name: str) -> None:
    given_one = PLAIN[name]
    made = create(given_one, STRICT)
    assert made.allowed, made.message
    assert is_restricted(made.object)
    assert create(made.object, STRICT, phase=VALIDATING).allowed
    # Applied again as it was written, and as it was read back.
    assert update(given_one, made.object, STRICT).object == made.object
    same = update(made.object, made.object, STRICT)
    assert same.allowed, same.message
    assert same.object is None


def test_stamped_settings_may_be_written_in_the_request() -> None:
    for base in (declarative(), byo("worker-a")):
        plain = create(base, STRICT).object
        whole = copy.deepcopy(base)
        contexts = {key: deployment(plain)[key] for key in CONTEXTS}
        block = whole["spec"].get("byo") or whole["spec"]["declarative"]
        block.setdefault("deployment", {}).update(copy.deepcopy(contexts))
        assert create(whole, STRICT).object == plain


@pytest.mark.parametrize("name", LOOSE)
def test_nothing_loosens_it(name: str) -> None:
    manifest = LOOSE[name]
    before = copy.deepcopy(manifest)
    old = create(PLAIN["own image"] if "byo" in manifest["spec"] else declarative(), STRICT).object
    old["metadata"]["name"] = "worker-a"
    for decision in (
        create(manifest, STRICT),
        create(manifest, STRICT, phase=VALIDATING),
        update(manifest, old, STRICT),
        update(manifest, old, STRICT, phase=VALIDATING),
    ):
        assert not decision.allowed
        assert any("ecurityContext" in one.path for one in decision.denials), decision.message
    assert manifest == before


@pytest.mark.parametrize("name", hostile.cases())
def test_strict_policy_refuses_all_that_a_loose_policy_refuses(name: str) -> None:
    assert not create(hostile.cases()[name], STRICT).allowed


@pytest.mark.parametrize("field", CONTEXTS)
def test_what_was_taken_away_after_the_stamp_is_refused(field: str) -> None:
    made = create(declarative(), STRICT).object
    without = copy.deepcopy(made)
    del deployment(without)[field]
    for decision in (
        create(without, STRICT, phase=VALIDATING),
        update(without, made, STRICT, phase=VALIDATING),
    ):
        assert {one.reason for one in decision.denials} == {PolicyReason.NOT_AS_STAMPED}


def test_skills_run_as_the_user_of_their_image() -> None:
    """kagent's Python image for skills names its user by a word, which a node does not take for no root."""
    skilled = create(edited(declarative(), ("spec.skills.gitRefs", GIT)), STRICT).object
    assert deployment(skilled)["podSecurityContext"]["runAsUser"] == 1001
    go = policy(podSecurity="restricted", runtimes=["go"])
    wanted = edited(declarative(), ("spec.skills.gitRefs", GIT), ("spec.declarative.runtime", "go"))
    assert "runAsUser" not in deployment(create(wanted, go).object)["podSecurityContext"]


def test_agents_of_before_are_brought_up_by_their_next_update() -> None:
    old = create(declarative()).object
    after = update(edited(old, ("spec.description", "new")), old, STRICT)
    assert after.allowed, after.message
    assert is_restricted(after.object)


def test_restricted_policy_keeps_the_digest_of_the_template() -> None:
    key = "hotpeers.dev/template"
    templates = {"templates": {"agents": ["base"]}}
    template = declarative()["spec"]
    facts = Facts(now=NOW, templates={"agent:base": template})
    asked = edited(declarative(), (f'metadata.annotations["{key}"]', "agent:base"))
    loose, strict = policy(**templates), policy(**templates, podSecurity="restricted")
    made = create(asked, strict, facts=facts)
    assert made.allowed, made.message
    written = made.object["metadata"]["annotations"]["hotpeers.dev/template-digest"]
    assert written == digest_of(template)
    assert create(made.object, strict, facts=facts, phase=VALIDATING).allowed
    assert update(made.object, made.object, strict, facts=facts).allowed
    # An agent from before the policy required it still equals its template.
    before = create(asked, loose, facts=facts).object
    after = update(before, before, strict, facts=facts)
    assert after.allowed, after.message
    assert is_restricted(after.object)


def test_loose_policy_denies_the_whole_restricted_context() -> None:
    for path, value in (("podSecurityContext", RESTRICTED_POD), ("securityContext", RESTRICTED)):
        asked = edited(declarative(), (f"spec.declarative.deployment.{path}", value))
        assert not create(asked).allowed


def test_explain_names_restricted_pod_security() -> None:
    assert "restricted" in "\n".join(explain(STRICT))
    assert "restricted" not in "\n".join(explain(policy(**SPEC)))


@SLOW
@given(changed())
def test_whatever_is_admitted_carries_exactly_that(manifest: Any) -> None:
    decision = create(manifest, STRICT)
    if decision.allowed:
        assert is_restricted(decision.object or manifest)
        assert create(decision.object or manifest, STRICT, phase=VALIDATING).allowed
