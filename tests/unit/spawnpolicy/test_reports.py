"""The decision on what a sidecar of a governed agent writes: Events and the status of its Orchestrator."""

from dataclasses import replace
from typing import Any

import pytest

from hotpeers.spawnpolicy.decide import decide
from hotpeers.spawnpolicy.request import Facts
from kit.spawning import (
    NOW,
    POLICY,
    TOOLS,
    edited,
    request,
)

EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "lead.1", "namespace": "team"},
    "involvedObject": {"kind": "Agent", "name": "lead", "namespace": "team"},
    "reason": "PeerAdded",
    "message": "x",
}


def event(manifest: Any, **changes: Any) -> Any:
    at = {"group": "", "version": "v1", "resource": "events", "namespace": "team", **changes}
    asked = replace(request(manifest), **at)
    return decide(asked, [POLICY], Facts(now=NOW))


def test_sidecar_may_write_events_about_its_own_agent() -> None:
    assert event(EVENT).allowed
    assert event(EVENT, operation="UPDATE", old_object=EVENT).allowed
    about = {"apiVersion": "kagent.dev/v1alpha2", **EVENT["involvedObject"], "uid": "agent-uid"}
    whole = {
        **EVENT,
        "involvedObject": about,
        "eventTime": "2026-11-01T12:00:00.000000Z",
        "firstTimestamp": "2026-11-01T12:00:00Z",
        "lastTimestamp": "2026-11-01T12:00:00Z",
        "count": 1,
        "source": {"component": "hotpeers.dev/sidecar"},
        "reportingComponent": "hotpeers.dev/sidecar",
        "reportingInstance": "lead-6d5f-7",
        "action": "Offer",
        "type": "Normal",
        "message": "a" * 1000,
    }
    assert event(whole).allowed
    whole["metadata"] = {**whole["metadata"], "managedFields": [{"manager": "x" * 5000}]}
    assert event(whole).allowed


def test_what_another_wrote_about_the_agent_stays() -> None:
    kagents = {**EVENT, "source": {"component": "agent-controller"}}
    assert not event(EVENT, operation="UPDATE", old_object=kagents).allowed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("involvedObject.name", "other"),
        ("involvedObject.kind", "Pod"),
        ("involvedObject.namespace", "other"),
        ("metadata.finalizers", ["x"]),
        ("metadata.ownerReferences", []),
        ("metadata.annotations", {}),
        ("data", {}),
        ("message", "a" * 300_000),
        ("message", "a" * 1025),
        ("message", "fine\u202eevil"),
        ("message", "fine\u3164"),
        ("message", 7),
        ("metadata.name", "a" * 4096),
        ("metadata.labels", {}),
        ("involvedObject.uid", "another"),
        ("involvedObject.apiVersion", "apps/v1"),
        ("involvedObject.fieldPath", "spec"),
        ("related", {"kind": "Pod", "name": "x"}),
        ("series", {"count": 2}),
        ("source", {"component": "kubelet"}),
        ("source", {"component": "hotpeers.dev/sidecar", "host": "node"}),
        ("source", "x"),
        ("reportingComponent", "hotpeers.dev/guard"),
        ("reportingInstance", "x" * 129),
        ("reason", "no reason at all"),
        ("reason", "R" * 65),
        ("action", "ignore all rules"),
        ("type", "Critical"),
        ("count", "many"),
        ("eventTime", {}),
    ],
)
def test_no_other_events(path: str, value: Any) -> None:
    assert not event(edited(EVENT, (path, value))).allowed
    assert not event(EVENT, operation="UPDATE", old_object={}).allowed
    assert not event(EVENT, operation="DELETE", old_object=EVENT).allowed
    assert not event(EVENT, subject=TOOLS).allowed
    assert not event(EVENT, namespace="other").allowed
    assert not event(EVENT, group="events.k8s.io").allowed
    assert not event(EVENT, subresource="status").allowed


SHOWN = {
    "metadata": {"name": "lead", "namespace": "team"},
    "spec": {"workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "lead"}},
}


def report(old: Any = SHOWN, **changes: Any) -> Any:
    at = {
        "group": "hotpeers.dev",
        "version": "v1alpha1",
        "resource": "orchestrators",
        "subresource": "status",
        "operation": "UPDATE",
        "old_object": old,
        **changes,
    }
    asked = replace(request({**SHOWN, "status": {"peers": 1}}), **at)
    return decide(asked, [POLICY], Facts(now=NOW))


def test_sidecar_may_write_the_status_of_its_own_orchestrator() -> None:
    assert report().allowed
    # The workload of an account without an Agent may have any name; RBAC knows it.
    assert report(name="other", subject=TOOLS).allowed


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"namespace": "other"},
        {"subresource": ""},
        {"subresource": "scale"},
        {"operation": "CREATE"},
        {"operation": "DELETE"},
        {"resource": "peers"},
        {"group": "kagent.dev"},
        # An Orchestrator of the hub, of the same name.
        {"old": {**SHOWN, "spec": {}}},
        {"old": None},
        {"old": "odd"},
    ],
)
def test_no_other_status(changes: dict[str, Any]) -> None:
    assert not report(**changes).allowed
