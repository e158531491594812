"""Orchestrator objects with a status, as sidecars report it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]
NOW = datetime(2026, 11, 29, 14, 0, tzinfo=UTC)


def stamp(seconds_ago: float = 0, now: datetime = NOW) -> str:
    """A time of a status."""
    return (now - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def change(generation: int = 1, *, ago: float = 60, now: datetime = NOW, **more: Any) -> Object:
    """A change of the timeline that added a peer."""
    entry = {"time": stamp(ago, now), "replica": "pod-1", "generation": generation, "removed": []}
    return {**entry, "added": ["team/weather"], "changed": [], "more": 0, **more}


def status(*, live: str = "True", now: datetime = NOW, **more: Any) -> Object:
    """The status of an orchestrator with one peer and one pod, in which all is well."""
    replica = {
        "time": stamp(now=now),
        "generation": 1,
        "liveGeneration": 1,
        "live": live,
        "processes": 1,
        "runtime": "kagent-adk 0.10.2",
        "calls": 7,
        "failures": {},
        "failing": [],
    }
    message = {"True": "live in 1 of 1 pods", "False": "pod-1: it was refused"}.get(
        live, "pod-1: new"
    )
    return {
        "peers": 1,
        "readyPeers": 1,
        "refusedPeers": 0,
        "runtime": "kagent-adk 0.10.2",
        "offered": [{"peer": "team/weather", "source": "Peer/team/weather", "ready": True}],
        "replicas": {"pod-1": replica},
        "changes": [change(liveSeconds=0.4, now=now)],
        "conditions": [
            {
                "type": "Live",
                "status": live,
                "reason": {"True": "AllLive", "False": "NotJson"}.get(live, "NotReported"),
                "message": message,
                "lastTransitionTime": stamp(now=now),
            }
        ],
        **more,
    }


def refusal(peer: str = "team/broken", reason: str = "CardUnavailable") -> Object:
    """The fields of a status with one refused candidate."""
    return {
        "refusedPeers": 1,
        "refused": [{"peer": peer, "reason": reason, "message": "connection refused"}],
    }


def orchestrator(name: str = "concierge", namespace: str = "team", **parts: Any) -> Object:
    """An Orchestrator of an injected Deployment; `parts` are further fields, such as `status`."""
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": stamp(3600)}
    return {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "Orchestrator",
        "metadata": metadata,
        "spec": {"workload": workload},
        **parts,
    }
