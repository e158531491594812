"""The decision on an agent from a template: the same as the template, and not wider than the policy."""

from hotpeers.spawnpolicy.reasons import PolicyReason
from hotpeers.spawnpolicy.request import Facts
from kit.spawning import (
    ANNOTATIONS,
    NOW,
    VALIDATING,
    create,
    declarative,
    edited,
    policy,
    reasons,
    update,
)

TEMPLATE = "hotpeers.dev/template"
KEY = f'{ANNOTATIONS}["{TEMPLATE}"]'


def test_template_is_followed_to_the_letter() -> None:
    only = policy(templates={"agents": ["base"], "registry": ["tool/base@1.0"]})
    spec = declarative()["spec"]
    known = Facts(now=NOW, templates={"agent:base": spec, "registry:tool/base@1.0": spec})
    made = edited(declarative(), (KEY, "agent:base"))
    decision = create(made, only, facts=known)
    assert decision.allowed, decision.message
    annotations = decision.object["metadata"]["annotations"]
    assert annotations["hotpeers.dev/template-digest"].startswith("sha256:")
    live = decision.object
    assert create(live, only, facts=known, phase=VALIDATING).allowed
    assert update(declarative(), live, only, facts=known).allowed
    assert create(edited(made, (KEY, "registry:tool/base@1.0")), only, facts=known).allowed
    changed = edited(made, ("spec.declarative.systemMessage", "else"))
    assert reasons(create(changed, only, facts=known)) == {PolicyReason.TEMPLATE_CHANGED}
    flag = edited(made, ("spec.declarative.stream", False))
    assert reasons(create(flag, only, facts=known)) == {PolicyReason.TEMPLATE_CHANGED}
    unknown = create(made, only)
    assert reasons(unknown) == {PolicyReason.TEMPLATE_UNKNOWN}
    assert "a person makes the Agent team/base" in unknown.message
    unknown = create(edited(made, (KEY, "registry:tool/base@1.0")), only)
    assert "the controller's registry has tool/base@1.0" in unknown.message
    assert reasons(create(declarative(), only, facts=known)) == {PolicyReason.TEMPLATE_NOT_ALLOWED}
    other = edited(made, (KEY, "agent:other"))
    assert PolicyReason.TEMPLATE_NOT_ALLOWED in reasons(create(other, only, facts=known))
    newer = Facts(now=NOW, templates={"agent:base": changed["spec"]})
    drifted = update(edited(made, ("spec", changed["spec"])), live, only, facts=newer)
    assert PolicyReason.TEMPLATE_CHANGED in reasons(drifted)


def test_template_does_not_widen() -> None:
    loose = policy(templates={"agents": ["base"], "required": False})
    made = edited(declarative(), (KEY, "agent:base"), ("spec.declarative.modelConfig", "admin"))
    known = Facts(now=NOW, templates={"agent:base": made["spec"]})
    assert reasons(create(made, loose, facts=known)) == {PolicyReason.MODEL_NOT_ALLOWED}
    assert create(declarative(), loose, facts=known).allowed
