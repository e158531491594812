import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hotpeers.hold.decision import Result
from hotpeers.hold.review import review
from unit.hold.deployments import A, B, deployment, updated

NOW = datetime(2026, 11, 28, tzinfo=UTC)
OWN = "system:serviceaccount:hotpeers-system:hotpeers-controller"


def body(user: str = "system:serviceaccount:kagent:kagent-controller", **change: Any) -> str:
    old = deployment(A)
    request = {
        "uid": "1",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "operation": "UPDATE",
        "namespace": "team",
        "name": "lead",
        "userInfo": {"username": user},
        "oldObject": old,
        "object": updated(old, B),
        **change,
    }
    return json.dumps({"request": request})


def test_update_is_answered_with_a_patch() -> None:
    found = review(body(), OWN, NOW)
    response = found.answer["response"]
    assert (found.result, response["uid"], response["allowed"]) == (Result.HELD, "1", True)
    paths = [one["path"] for one in json.loads(base64.b64decode(response["patch"]))]
    assert "/metadata/labels/hotpeers.dev~1held" in paths


def test_only_the_controller_can_release_a_hold() -> None:
    assert review(body(OWN), OWN, NOW).answer["response"] == {"uid": "1", "allowed": True}
    assert "patch" in review(body(f"{OWN}x"), OWN, NOW).answer["response"]
    assert "patch" in review(body(""), "", NOW).answer["response"]


def test_dry_run_is_decided_alike_and_not_counted() -> None:
    found = review(body(dryRun=True), OWN, NOW)
    assert found.dry_run
    assert found.answer == review(body(), OWN, NOW).answer


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "[]",
        "{}",
        '{"request": 1}',
        "[" * 100_000,
        body(operation="CREATE"),
        body(object=None),
        body(oldObject=[]),
        body(kind={"kind": "Pod"}),
        body(uid=""),
    ],
)
def test_malformed_review_is_allowed_unchanged(raw: str) -> None:
    found = review(raw, OWN, NOW)
    assert found.result is Result.FAILED
    assert found.answer["response"]["allowed"] is True
    assert "patch" not in found.answer["response"]
