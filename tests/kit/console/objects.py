"""Orchestrators, peers, policies and spawned agents with the statuses that hotpeers writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from kit.apiserver.client import Api, Object
from kit.apiserver.namespaces import create_namespace
from kit.apiserver.resources import agent, orchestrator, peer

HOTPEERS = "hotpeers.dev/v1alpha1"


def written(seconds_ago: float = 0.0) -> str:
    """A time in the past, as Kubernetes writes it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(offered: Sequence[str], **more: Any) -> Object:
    """The status of an orchestrator that is offered these peers, all of them live."""
    return {
        "peers": len(offered),
        "readyPeers": len(offered),
        "refusedPeers": 0,
        "runtime": "kagent-adk 0.10.4",
        "offered": [{"peer": one, "source": f"Peer/{one}", "ready": True} for one in offered[:100]],
        "changes": [change(1, offered[:5], more=max(len(offered) - 5, 0))],
        "replicas": {"pod-1": replica()},
        "conditions": [condition("Live", "True", "AllLive", "live in 1 of 1 pods")],
        **more,
    }


def condition(kind: str, status: str, reason: str, message: str) -> Object:
    """A condition."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": written(),
    }


def change(generation: int, added: Sequence[str] = (), **more: Any) -> Object:
    """An entry of the timeline."""
    return {
        "time": written(60),
        "replica": "pod-1",
        "generation": generation,
        "added": list(added),
        "removed": [],
        "changed": [],
        "liveSeconds": 0.4,
        **more,
    }


def replica(**more: Any) -> Object:
    """The report of a pod."""
    return {
        "time": written(),
        "generation": 1,
        "liveGeneration": 1,
        "processes": 1,
        "live": "True",
        "runtime": "kagent-adk 0.10.4",
        "calls": 120,
        "failures": {},
        **more,
    }


FAULTY = {
    "refusedPeers": 3,
    "refused": [
        {
            "peer": "team/broken",
            "reason": "CardUnavailable",
            "message": "http://broken.team:8080/.well-known/agent-card.json: connection refused",
        },
        {
            "peer": "team/far",
            "reason": "NamespaceNotInvited",
            "message": "it invites other namespaces",
        },
        {
            "peer": "team/twice",
            "reason": "NameCollision",
            "message": "team/once has this tool name",
        },
    ],
    "problems": [
        {"where": "Peer/team/odd", "reason": "WrongShape", "message": "spec.url is no text"}
    ],
    "conditions": [
        condition("Live", "False", "ShimNotLoaded", "pod-1: no process of the agent loads the shim")
    ],
    "held": "since 2026-11-29T09:12:00Z",
}
"""Parts of a status with most kinds of problems."""


def faulty_replica(failing: str) -> Object:
    """The report of a pod whose calls of one peer fail."""
    found = {
        "peer": failing,
        "reason": "PeerUnreachable",
        "message": "connection refused",
        "count": 3,
    }
    return replica(
        liveGeneration=0,
        live="False",
        reason="ShimNotLoaded",
        message="no process of the agent loads the shim",
        failures={"PeerUnreachable": 3, "CallTimedOut": 1},
        failing=[found],
    )


def show(api: Api, namespace: str, name: str, status: Object, **spec: Any) -> Object:
    """Create an Orchestrator of an injected Deployment, with a status."""
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    made = api.create(orchestrator(namespace, name, **(spec or {"workload": workload})))
    return api.patch(made, {"status": status}, "status")


def policy(namespace: str, name: str, subject: str) -> Object:
    """The manifest of a SpawnPolicy."""
    limits = {
        "maxAgents": 10,
        "creates": {"count": 20, "window": "1h"},
        "maxDepth": 2,
        "ttl": {"default": "30m", "max": "2h"},
    }
    spec = {"subjects": [{"kind": "Agent", "name": subject}], "limits": limits}
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": HOTPEERS, "kind": "SpawnPolicy", "metadata": metadata, "spec": spec}


def spawned(namespace: str, name: str, parent: str, depth: int = 1, **stamps: str) -> Object:
    """The manifest of a spawned agent."""
    made = agent(
        namespace, name, labels={"hotpeers.dev/spawned": "true", "hotpeers.dev/peer": "true"}
    )
    made["metadata"]["annotations"] = {
        "hotpeers.dev/spawned-by": parent,
        "hotpeers.dev/spawned-by-serviceaccount": parent,
        "hotpeers.dev/depth": str(depth),
        "hotpeers.dev/expires-at": written(-1800),
        "hotpeers.dev/policy": f"{namespace}/helpers",
        **stamps,
    }
    return made


def fill(api: Api, orchestrators: int, peers: int, namespaces: int = 20) -> list[str]:
    """Create many objects. Returns the names of the namespaces.

    Each orchestrator is offered up to 60 peers, every seventh has problems.
    """
    if not orchestrators and not peers:
        return []
    places = [f"team-{number:02}" for number in range(min(namespaces, max(orchestrators, 1)))]
    for place in places:
        create_namespace(api, place)
    names = [(places[number % len(places)], f"peer-{number:04}") for number in range(peers)]
    api.create_all(
        peer(place, name, f"http://{name}.{place}:8080", description=f"Answers questions {name}")
        for place, name in names
    )
    titles = [f"{place}/{name}" for place, name in names]
    for number in range(orchestrators):
        place, name = places[number % len(places)], f"lead-{number:03}"
        start = number * 37 % max(len(titles), 1)
        offered = titles[start : start + 5 + number * 7 % 56]
        status = status_of(offered)
        if number % 7 == 1:
            failing = faulty_replica(offered[0]) if offered else replica()
            status |= FAULTY | {"replicas": {"pod-1": failing}}
        show(api, place, name, status)
    if orchestrators:
        api.create(policy(places[0], "helpers", "lead-000"))
        api.patch(
            policy(places[0], "helpers", "lead-000"),
            {
                "status": {
                    "agentsAlive": 9,
                    "createsInWindow": 4,
                    "denials": 2,
                    "lastDenial": {
                        "time": written(300),
                        "subject": f"system:serviceaccount:{places[0]}:lead-000",
                        "operation": "CREATE",
                        "name": "helper-11",
                        "namespace": places[0],
                        "reason": "ToolNotAllowed",
                        "field": "spec.declarative.tools[0]",
                        "message": "the tool shell is not in mcpServers of the policy",
                    },
                    "conditions": [
                        condition("Ready", "True", "Enforced", "its subjects are governed")
                    ],
                }
            },
            "status",
        )
        made = [
            spawned(places[0], f"helper-{number}", f"{places[0]}/lead-000") for number in range(3)
        ]
        made.append(spawned(places[0], "deeper", f"{places[0]}/helper-0", 2))
        api.create_all(made)
    return places
