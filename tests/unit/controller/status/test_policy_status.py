"""The status of a SpawnPolicy: the written fields, and when no write is needed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hotpeers.controller.quota.ledger import LastDenial
from hotpeers.controller.quota.reservations import Counts
from hotpeers.controller.status.policy_status import status_change
from hotpeers.spawnpolicy.known import KnownPolicy, read_known_policy

NOW = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
LIMITS = {
    "maxAgents": 3,
    "creates": {"count": 9, "window": "10m"},
    "ttl": {"default": "1m", "max": "1h"},
}


SUBJECTS = [{"kind": "Agent", "name": "lead"}]


def policy(**spec: Any) -> KnownPolicy:
    return read_known_policy(
        {
            "apiVersion": "hotpeers.dev/v1alpha1",
            "kind": "SpawnPolicy",
            "metadata": {"name": "workers", "namespace": "team", "generation": 4},
            "spec": {"subjects": SUBJECTS, "limits": LIMITS, **spec},
        }
    )


def change(one: KnownPolicy, counts: Counts | None = None, now: datetime = NOW, **more: Any) -> Any:
    return status_change(one, counts, now, **{"governed": True, **more})


def told(one: KnownPolicy, written: dict[str, Any]) -> KnownPolicy:
    """The policy after this was written."""
    return replace(one, status={**one.status, **written})


def test_orchestrator_that_runs_as_another_account_is_reported() -> None:
    one = policy()
    (ready,) = change(one, strays=("lead runs as shared",))["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", "AccountNotNamed")
    assert ready["message"].startswith("lead runs as shared: what it does there is not governed")
    many = tuple(f"lead-{i} runs as shared" for i in range(5))
    (ready,) = change(one, strays=many)["conditions"]
    assert "lead-2 runs as shared and 2 more: " in ready["message"]


def test_missing_agent_is_reported_and_the_policy_stays_ready() -> None:
    (ready,) = change(policy(), absent=("laed",))["conditions"]
    assert (ready["status"], ready["reason"]) == ("True", "Enforced")
    assert ready["message"] == "its subjects are governed; its namespace has no Agent laed yet"
    many = tuple(f"lead-{i}" for i in range(5))
    (ready,) = change(policy(mode="Audit"), absent=many)["conditions"]
    assert ready["message"].endswith("no Agent lead-0, lead-1, lead-2 and 2 more yet")


def test_policy_without_subjects_reports_that_it_governs_no_agent() -> None:
    (ready,) = change(policy(subjects=[]))["conditions"]
    assert ready["message"] == "it names no subjects, and so governs no agent"


def test_unchanged_status_is_written_once() -> None:
    ages = (1, 599, 601, 6000)
    denial = LastDenial("2026-11-01T11:00:00Z", "team/lead", "CREATE", "x", "team", "TooDeep")
    counts = Counts(2, tuple(NOW - timedelta(seconds=age) for age in ages), 7, denial)
    one = policy()
    written = change(one, counts)
    assert written == {
        "observedGeneration": 4,
        "agentsAlive": 2,
        "createsInWindow": 2,
        "denials": 7,
        "lastDenial": {
            "time": "2026-11-01T11:00:00Z",
            "subject": "team/lead",
            "operation": "CREATE",
            "name": "x",
            "namespace": "team",
            "reason": "TooDeep",
            "field": "",
            "message": "",
        },
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Enforced",
                "message": "its subjects are governed",
                "observedGeneration": 4,
                "lastTransitionTime": "2026-11-01T12:00:00Z",
            }
        ],
    }
    assert change(told(one, written), counts) == {}
    # Only changed fields.
    assert change(told(one, written), counts, LATER) == {"createsInWindow": 1}


def test_counts_are_zero_without_a_ledger() -> None:
    found = change(policy())
    assert (found["agentsAlive"], found["createsInWindow"], found["denials"]) == (0, 0, 0)
    assert "lastDenial" not in found


def test_unknown_counts_are_not_written() -> None:
    one = told(policy(), {"agentsAlive": 3, "denials": 9})
    assert set(change(one, known=False)) == {"observedGeneration", "conditions"}


def ready(one: KnownPolicy, counts: Counts | None = None, **more: Any) -> tuple[str, str, str]:
    (condition,) = change(one, counts, **more)["conditions"]
    return condition["status"], condition["reason"], condition["message"]


def test_ready_condition_names_the_reason() -> None:
    status, reason, message = ready(policy(maxPromptLenght=1, names=["*"]))
    assert (status, reason) == ("False", "Invalid")
    assert "spec.maxPromptLenght: no such field is known" in message
    assert ready(policy(), governed=False)[:2] == ("False", "NotGoverned")
    held = Counts(0, (), held=NOW + timedelta(seconds=9))
    assert ready(policy(), held)[:2] == ("False", "Counting")
    assert ready(policy(), held)[2].endswith("until 2026-11-01T12:00:09Z")
    assert ready(policy(), replace(held, held=NOW))[:2] == ("True", "Enforced")
    assert ready(policy(mode="Audit"))[:2] == ("True", "Audited")


def test_transition_time_changes_only_with_the_status() -> None:
    one = policy()
    one = told(one, change(one))
    assert change(one, now=LATER) == {}
    off = change(one, now=LATER, governed=False)
    assert off["conditions"][0]["lastTransitionTime"] == "2026-11-01T12:05:00Z"
    audited = replace(policy(mode="Audit"), status=one.status)
    still = change(audited, now=LATER)
    assert still["conditions"][0]["lastTransitionTime"] == "2026-11-01T12:00:00Z"


def test_conditions_of_others_are_kept() -> None:
    other = {"type": "Theirs", "status": "True"}
    written = change(told(policy(), {"conditions": [other]}))
    assert [one["type"] for one in written["conditions"]] == ["Ready", "Theirs"]


def test_written_values_fit_the_limits_of_the_crd() -> None:
    long = "x" * 5000
    denial = LastDenial("2026-11-01T11:00:00Z", long, long, long, long, long, long, long)
    found = change(policy(), Counts(0, (), 1, denial))["lastDenial"]
    assert {key: len(value) for key, value in found.items() if key != "time"} == {
        "subject": 317,
        "operation": 32,
        "name": 253,
        "namespace": 63,
        "reason": 64,
        "field": 256,
        "message": 1024,
    }


def test_disabled_check_of_secret_names_is_reported() -> None:
    one = policy()
    ready, names = change(one, secrets=False)["conditions"]
    assert ready["type"] == "Ready"
    assert (names["type"], names["status"]) == ("SecretNamesChecked", "False")
    assert "guard.checkSecrets" in names["message"]
    after = told(one, change(one, secrets=False))
    assert change(after, secrets=False, now=LATER) == {}
    ready, names = change(after, secrets=True, now=LATER)["conditions"]
    assert (names["status"], names["reason"]) == ("True", "Checked")
    assert names["lastTransitionTime"] == "2026-11-01T12:05:00Z"
    assert ready["lastTransitionTime"] == "2026-11-01T12:00:00Z"
