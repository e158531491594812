import copy
from datetime import UTC, datetime
from typing import Any

import jsonpatch
import pytest

from hotpeers.hold.decision import Result, decide
from hotpeers.hold.state import is_marked, read_hold, template_hash
from unit.hold.deployments import A, B, C, Object, deployment, updated

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def after(old: Object, new: Object) -> tuple[Result, Object]:
    """The result, and the Deployment that is stored."""
    found = decide(old, new, NOW)
    return found.result, jsonpatch.apply_patch(new, list(found.operations))


def wanted(stored: Object) -> str:
    hold = read_hold(stored)
    return hold.wanted if hold else ""


def test_update_that_changes_only_the_hash_is_held() -> None:
    old = deployment(A)
    result, stored = after(old, updated(old, B))
    assert (result, template_hash(stored), wanted(stored)) == (Result.HELD, A, B)
    assert stored["metadata"]["annotations"]["hotpeers.dev/held-since"] == "2026-11-28T12:00:00Z"
    assert stored["spec"] == old["spec"]


def test_repeated_update_to_the_held_hash_changes_nothing() -> None:
    old = deployment(A, held=(B, A))
    result, stored = after(old, updated(old, B))
    assert (result, stored) == (Result.KEPT, old)


def test_replace_without_our_marks_changes_nothing() -> None:
    """`kubectl replace`, or Argo CD with Replace=true, of a manifest from before the hold."""
    old = deployment(A, held=(B, A))
    result, stored = after(old, deployment(B))
    assert (result, stored) == (Result.KEPT, old)


def test_second_change_replaces_the_held_one() -> None:
    old = deployment(A, held=(B, A))
    result, stored = after(old, updated(old, C))
    assert (result, template_hash(stored), wanted(stored)) == (Result.HELD, A, C)
    assert stored["metadata"]["annotations"]["hotpeers.dev/held-since"] == "2026-11-28T12:00:00Z"


def test_rollback_makes_the_hash_of_the_template_wanted() -> None:
    old = deployment(A, held=(B, A))
    result, stored = after(old, updated(old, A))
    assert (result, template_hash(stored), wanted(stored)) == (Result.REVERTED, A, A)
    assert after(stored, updated(stored, A)) == (Result.KEPT, stored)


@pytest.mark.parametrize("change", ["label", "annotation", "replicas"])
def test_unrelated_change_is_not_taken_for_a_rollback(change: str) -> None:
    """`kubectl annotate` and the like write the hash as they found it."""
    old = deployment(A, held=(B, A))
    new = updated(old, A)
    if change == "replicas":
        new["spec"]["replicas"] = 3
    else:
        new["metadata"][f"{change}s"]["team.example/contact"] = "x"
    assert after(old, new) == (Result.KEPT, new)


IMAGE = [{"name": "kagent", "image": "app:0.11.0", "resources": {}}]


@pytest.mark.parametrize(
    "change",
    [
        {"containers": IMAGE},
        {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-28T12:00:00Z"}},
        {"annotations": {"hotpeers.dev/drain-seconds": "60"}},
        {"serviceAccountName": "other"},
    ],
    ids=["image", "restart", "annotation", "account"],
)
def test_other_difference_rolls(change: dict[str, Any]) -> None:
    for old in (deployment(A), deployment(A, held=(B, A))):
        result, stored = after(old, updated(old, C, **change))
        assert (result, template_hash(stored), is_marked(stored)) == (Result.ROLLED, C, False)


def test_restart_by_kubectl_rolls_out_the_held_change() -> None:
    """`kubectl rollout restart` and `kubectl set image` do not know of the hash that is held."""
    old = deployment(A, held=(B, A))
    restart = {"kubectl.kubernetes.io/restartedAt": "now"}
    result, stored = after(old, updated(old, A, annotations=restart))
    assert (result, template_hash(stored), is_marked(stored)) == (Result.ROLLED, B, False)


def test_undo_to_another_hash_is_held() -> None:
    old = deployment(B)
    result, stored = after(old, updated(old, A))
    assert (result, template_hash(stored), wanted(stored)) == (Result.HELD, B, A)


@pytest.mark.parametrize("spec", [{"replicas": 0}, {"paused": True}], ids=["no replicas", "paused"])
def test_paused_or_empty_deployment_is_not_held(spec: dict[str, Any]) -> None:
    old = deployment(A, **spec)
    result, stored = after(old, updated(old, B))
    assert (result, template_hash(stored), is_marked(stored)) == (Result.ROLLED, B, False)


@pytest.mark.parametrize(
    ("old", "new"), [(None, A), (A, None), ("", A), (A, ""), ("x", A), (A, "-1")]
)
def test_missing_or_malformed_hash_is_not_held(old: str | None, new: str | None) -> None:
    before = deployment(old)
    found, stored = after(before, updated(before, new))
    assert found in (Result.ROLLED, Result.UNCHANGED)
    assert stored == updated(before, new)


@pytest.mark.parametrize("name", ["hotpeers.dev/inject", "hotpeers.dev/hot-config"])
@pytest.mark.parametrize("value", [None, "false", "True", ""])
def test_deployment_without_the_annotations_is_not_held(name: str, value: str | None) -> None:
    old = deployment(A)
    annotations = old["spec"]["template"]["metadata"]["annotations"]
    annotations.pop(name)
    if value is not None:
        annotations[name] = value
    assert after(old, updated(old, B))[1] == updated(old, B)


def test_agent_that_is_restarted_when_idle_is_held() -> None:
    old = deployment(A)
    name = "hotpeers.dev/hot-config"
    old["spec"]["template"]["metadata"]["annotations"][name] = "restart-when-idle"
    result, stored = after(old, updated(old, B))
    assert (result, template_hash(stored), wanted(stored)) == (Result.HELD, A, B)


def test_disabling_hot_config_rolls_out_the_held_change() -> None:
    old = deployment(A, held=(B, A))
    result, stored = after(old, updated(old, A, annotations={"hotpeers.dev/hot-config": "false"}))
    assert (result, template_hash(stored), is_marked(stored)) == (Result.ROLLED, B, False)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["metadata"]["labels"].pop("app"),
        lambda one: one["metadata"]["labels"].update(kagent="other"),
        lambda one: one["metadata"].pop("ownerReferences"),
        lambda one: one["metadata"]["ownerReferences"][0].update(controller=False),
        lambda one: one["metadata"]["ownerReferences"][0].update(apiVersion="other.dev/v1"),
        lambda one: one["metadata"]["ownerReferences"][0].update(name="other"),
    ],
)
def test_deployment_that_is_not_kagents_is_not_changed(change: Any) -> None:
    old = deployment(A)
    change(old)
    new = updated(old, B)
    assert after(old, new) == (Result.UNCHANGED, new)


def test_marks_set_by_hand_have_no_effect() -> None:
    old, new = deployment(A), deployment(A, held=("99", A))
    assert after(old, new)[1]["metadata"]["labels"] == old["metadata"]["labels"]
    # Nor does taking them away release anything.
    held = deployment(A, held=(B, A))
    by_hand = deployment(B)
    by_hand["metadata"]["annotations"] = {}
    assert wanted(after(held, by_hand)[1]) == B


def test_hold_that_was_rolled_without_the_webhook_has_ended() -> None:
    old = deployment(C, held=(B, A))
    assert is_marked(after(old, updated(old, C))[1]) is False
    restart = updated(old, C, annotations={"kubectl.kubernetes.io/restartedAt": "now"})
    assert template_hash(after(old, restart)[1]) == C


def test_defaults_and_empty_fields_do_not_count_as_a_change() -> None:
    old = deployment(A)
    new = updated(old, B)
    old["spec"]["template"]["metadata"]["creationTimestamp"] = None
    new["spec"]["template"]["metadata"]["creationTimestamp"] = None
    assert after(old, new)[0] is Result.HELD


@pytest.mark.parametrize(
    "broken",
    [{}, {"metadata": None}, {"spec": []}, {"metadata": {"labels": "x"}, "spec": {"template": 1}}],
)
def test_objects_of_any_shape_pass(broken: Object) -> None:
    assert decide(broken, broken, NOW).operations == ()
    assert decide(deployment(), broken, NOW).operations == ()


def test_decision_changes_neither_object() -> None:
    old = deployment(A, held=(B, A))
    new = updated(old, C)
    before = copy.deepcopy((old, new))
    decide(old, new, NOW)
    assert (old, new) == before
