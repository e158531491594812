"""A policy, a subject and agents that the tests of the guard share."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hotpeers.base.reasons import Reason
from hotpeers.spawnpolicy.decide import decide
from hotpeers.spawnpolicy.decision import Decision
from hotpeers.spawnpolicy.reading import read_policy
from hotpeers.spawnpolicy.request import Facts, Phase, Request, Subject
from hotpeers.spawnpolicy.schema.policy import SpawnPolicy

NOW = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
DIGEST = f"sha256:{'ab' * 32}"
IMAGE = f"registry.example.com/team/worker@{DIGEST}"
LEAD = Subject("team", "lead", "account-uid", "lead", "agent-uid")
CHILD = Subject("team", "worker-a", "child-account", "worker-a", "child-uid", "team/workers", 1)
TOOLS = Subject("team", "tools", "tools-uid")
"""A subject that is an account without an agent."""
ANNOTATIONS = "metadata.annotations"
SPEC: dict[str, Any] = {
    "subjects": [{"kind": "Agent", "name": "lead"}, {"kind": "Agent", "name": "worker-chief"}],
    "targetNamespaces": ["team", "sandbox"],
    "names": ["worker-*", "helper"],
    "types": ["Declarative", "BYO"],
    "runtimes": ["python"],
    "modelConfigs": ["small", "large"],
    "images": [
        {"repository": "registry.example.com/team/worker"},
        {"repository": "registry.example.com/team/tagged", "tags": ["1.0"], "requireDigest": False},
    ],
    "mcpServers": [
        {"name": "web", "tools": ["search", "fetch"]},
        {
            "name": "files",
            "tools": ["read", "write"],
            "requireApproval": ["write"],
            "allowedHeaders": ["x-tenant"],
        },
        {"name": "all", "kind": "MCPServer", "namespace": "tools", "tools": ["*"]},
        {"name": "asked", "tools": ["*"], "requireApproval": ["*"]},
        {"name": "service", "kind": "Service", "tools": ["*"]},
    ],
    "agentTools": [
        {"name": "checker"},
        {"name": "aide-*"},
        {"name": "judge", "namespace": "court"},
    ],
    "skills": {
        "images": [{"repository": "registry.example.com/team/skill"}],
        "git": [{"url": "https://git.example.com/team/skills", "refs": ["v1", "v2"]}],
        "s3": ["s3://bucket/skills/"],
    },
    "environment": ["LOG_LEVEL", "SEED"],
    "labels": [{"key": "team", "values": ["sky", "sea"]}, {"key": "topic"}],
    "annotations": [{"key": "example.com/note"}],
    "maxPromptLength": 2000,
    "allowOrchestrators": True,
    "limits": {
        "maxAgents": 5,
        "creates": {"count": 10, "window": "1h"},
        "maxDepth": 2,
        "ttl": {"default": "30m", "max": "2h"},
        "maxReplicas": 2,
        "resources": {"cpu": "1", "memory": "1Gi"},
    },
}


def policy(name: str = "workers", namespace: str = "team", **spec: Any) -> SpawnPolicy:
    """The shared policy, with other fields; a field that is None is left out."""
    whole = {key: value for key, value in {**SPEC, **spec}.items() if value is not None}
    return read_policy(document(whole, name, namespace))


def document(spec: Any, name: str = "workers", namespace: str = "team") -> dict[str, Any]:
    return {
        "apiVersion": "hotpeers.dev/v1alpha1",
        "kind": "SpawnPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


POLICY = policy()


def declarative(name: str = "worker-a", namespace: str = "team") -> dict[str, Any]:
    """The least declarative agent that the shared policy allows."""
    return {
        "apiVersion": "kagent.dev/v1alpha2",
        "kind": "Agent",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "type": "Declarative",
            "declarative": {"runtime": "python", "modelConfig": "small"},
        },
    }


def byo(name: str = "worker-b") -> dict[str, Any]:
    """The least agent of an own image that the shared policy allows."""
    manifest = declarative(name)
    manifest["spec"] = {"type": "BYO", "byo": {"deployment": {"image": IMAGE}}}
    return manifest


def edited(manifest: Any, *edits: tuple[str, Any]) -> Any:
    """A copy with values at paths such as `spec.tools[0].name`; lists grow as needed."""
    whole = copy.deepcopy(manifest)
    for path, value in edits:
        _put(whole, parts(path), value)
    return whole


def parts(path: str) -> list[str | int]:
    """The keys of a path; a key with dots is written as `["..."]`."""
    found = re.findall(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)', path)
    return [int(number) if number else (quoted or plain) for quoted, number, plain in found]


def _put(place: Any, path: Sequence[str | int], value: Any) -> None:
    head, *rest = path
    if isinstance(head, int):
        place.extend([None] * (head + 1 - len(place)))
    if not rest:
        place[head] = copy.deepcopy(value)
        return
    inside = place[head] if isinstance(head, int) else place.get(head)
    wanted = list if isinstance(rest[0], int) else dict
    if not isinstance(inside, wanted):
        inside = place[head] = wanted()
    _put(inside, rest, value)


def request(manifest: Any, **changes: Any) -> Request:
    """The request of the lead to create an agent."""
    metadata = manifest.get("metadata") if isinstance(manifest, dict) else None
    metadata = metadata if isinstance(metadata, dict) else {}
    namespace, name = metadata.get("namespace", "team"), metadata.get("name")
    made = Request(
        subject=LEAD,
        operation="CREATE",
        group="kagent.dev",
        version="v1alpha2",
        resource="agents",
        namespace=namespace if isinstance(namespace, str) else "team",
        name=name if isinstance(name, str) else "",
        object=manifest,
    )
    return replace(made, **changes)


def create(manifest: Any, *policies: SpawnPolicy, **changes: Any) -> Decision:
    facts = changes.pop("facts", Facts(now=NOW))
    return decide(request(manifest, **changes), policies or [POLICY], facts)


def spawned(manifest: Any | None = None) -> Any:
    """An agent of the lead as it is in the cluster."""
    decision = create(manifest or declarative())
    assert decision.allowed, decision.message
    live = copy.deepcopy(decision.object)
    live["metadata"] |= {"uid": "live-uid", "resourceVersion": "7", "generation": 1}
    live["status"] = {"observedGeneration": 1}
    return live


def update(manifest: Any, old: Any, *policies: SpawnPolicy, **changes: Any) -> Decision:
    return create(manifest, *policies, operation="UPDATE", old_object=old, **changes)


def reasons(decision: Decision) -> set[Reason]:
    """The reasons of a decision's denials."""
    return {one.reason for one in decision.denials}


VALIDATING = Phase.VALIDATING
