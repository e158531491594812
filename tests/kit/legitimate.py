"""Agents that the shared policy allows: all of them are admitted."""

from __future__ import annotations

from typing import Any

from kit.hostile import WEB
from kit.spawning import DIGEST, byo, declarative, edited

D, B = "spec.declarative", "spec.byo.deployment"
DEPLOYMENT = f"{D}.deployment"


def server(name: str, kind: str = "RemoteMCPServer", **more: Any) -> dict[str, Any]:
    return {"type": "McpServer", "mcpServer": {"name": name, "kind": kind, **more}}


def peer_agent(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "Agent", "agent": {"name": name, **more}}


GIT = "https://git.example.com/team/skills"
EDITS: dict[str, tuple[tuple[str, Any], ...]] = {
    "the least": (),
    "another name": (("metadata.name", "worker-with-digits-42"),),
    "the whole name": (("metadata.name", "helper"),),
    "as long as it may be": (("metadata.name", "worker-" + "a" * 56),),
    "elsewhere": (("metadata.namespace", "sandbox"),),
    "elsewhere for home alone": (
        ("metadata.namespace", "sandbox"),
        (
            "spec.allowedNamespaces",
            {
                "from": "Selector",
                "selector": {"matchLabels": {"kubernetes.io/metadata.name": "team"}},
            },
        ),
    ),
    "elsewhere for itself": (
        ("metadata.namespace", "sandbox"),
        ("spec.allowedNamespaces", {"from": "Same"}),
    ),
    "for its namespace": (("spec.allowedNamespaces", {"from": "Same"}),),
    "for its namespace by default": (("spec.allowedNamespaces", {}),),
    "the peer label": (('metadata.labels["hotpeers.dev/peer"]', "true"),),
    "labels": (("metadata.labels", {"team": "sea", "topic": "waves"}),),
    "annotation": (("metadata.annotations", {"example.com/note": "by a model"}),),
    "short life": (('metadata.annotations["hotpeers.dev/ttl"]', "90s"),),
    "longest life": (('metadata.annotations["hotpeers.dev/ttl"]', "1h60m"),),
    "kubectl apply": (
        (
            'metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]',
            '{"kind":"Agent","spec":{}}',
        ),
    ),
    "creation time of a dump": (("metadata.creationTimestamp", None),),
    "managed fields": (("metadata.managedFields", [{"manager": "x"}]),),
    "description": (("spec.description", "Looks things up.\nGrüße, 東京, 🙂"),),
    "text of many scripts": (
        (
            "spec.description",
            "\u0645\u06cc\u200c\u062e\u0648 \u0915\u094d\u200d\u0937 \u2764\ufe0f \U0001f469\u200d\U0001f4bb"
            " \U0001f44d\U0001f3fd \u2803\u2800\u2801 1\ufe0f\u20e3 a\u00a0b\u3000c\r\nd\te",
        ),
    ),
    "an emoji in an annotation": (("metadata.annotations", {"example.com/note": "❤️ 東京"}),),
    "longest texts": (
        ("spec.description", "a" * 1000),
        ("metadata.annotations", {"example.com/note": "a" * 1000}),
        (f"{D}.systemMessage", "a" * 2000),
    ),
    "version": (("spec.version", "1.2.0-rc1"),),
    "another model": ((f"{D}.modelConfig", "large"),),
    "prompt": ((f"{D}.systemMessage", "You are brief.\n\tAlways."),),
    "longest prompt": ((f"{D}.systemMessage", "a" * 2000),),
    "empty prompt": ((f"{D}.systemMessage", ""),),
    "stream": ((f"{D}.stream", True),),
    "no stream": ((f"{D}.stream", False),),
    "no tools": ((f"{D}.tools", []),),
    "a tool": ((f"{D}.tools", [server("web", toolNames=["search"])]),),
    "both tools": ((f"{D}.tools", [server("web", toolNames=["search", "fetch"])]),),
    "with its group": (
        (f"{D}.tools", [server("web", apiGroup="kagent.dev", toolNames=["fetch"])]),
    ),
    "its own namespace": ((f"{D}.tools", [server("web", namespace="team", toolNames=["fetch"])]),),
    "read alone": ((f"{D}.tools", [server("files", toolNames=["read"])]),),
    "approved": (
        (f"{D}.tools", [server("files", toolNames=["read", "write"], requireApproval=["write"])]),
    ),
    "more approved": (
        (f"{D}.tools", [server("files", toolNames=["read"], requireApproval=["read"])]),
    ),
    "a header": (
        (f"{D}.tools", [server("files", toolNames=["read"], allowedHeaders=["X-Tenant"])]),
    ),
    "every tool": ((f"{D}.tools", [server("all", "MCPServer", namespace="tools")]),),
    "kind by default": (
        (f"{D}.tools", [{"type": "McpServer", "mcpServer": {"name": "all", "namespace": "tools"}}]),
    ),
    "some of every tool": (
        (f"{D}.tools", [server("all", "MCPServer", namespace="tools", toolNames=["x", "y"])]),
    ),
    "each approved": (
        (f"{D}.tools", [server("asked", toolNames=["x", "y"], requireApproval=["y", "x"])]),
    ),
    "a service": ((f"{D}.tools", [server("service", "Service", apiGroup="")]),),
    "an agent": ((f"{D}.tools", [peer_agent("checker")]),),
    "an agent with everything": (
        (
            f"{D}.tools",
            [
                {
                    **peer_agent("aide-1", kind="Agent", apiGroup="kagent.dev", namespace="team"),
                    "isolateSessions": True,
                }
            ],
        ),
    ),
    "an agent elsewhere": ((f"{D}.tools", [peer_agent("judge", namespace="court")]),),
    "several tools": (
        (
            f"{D}.tools",
            [
                {**WEB, "mcpServer": {**WEB["mcpServer"], "toolNames": ["search"]}},
                peer_agent("checker"),
            ],
        ),
    ),
    "replicas": ((f"{DEPLOYMENT}.replicas", 2),),
    "resources": (
        (f"{DEPLOYMENT}.resources", {"requests": {"cpu": "50m"}, "limits": {"cpu": "0.5"}}),
    ),
    "all resources": ((f"{DEPLOYMENT}.resources", {"limits": {"cpu": 1, "memory": "1024Mi"}}),),
    "little memory": ((f"{DEPLOYMENT}.resources.limits.memory", "128Mi"),),
    "variables": ((f"{DEPLOYMENT}.env", [{"name": "SEED", "value": "7"}, {"name": "LOG_LEVEL"}]),),
    "pod labels": ((f"{DEPLOYMENT}.labels.team", "sky"),),
    "an orchestrator": (
        (
            f"{DEPLOYMENT}.annotations",
            {"hotpeers.dev/inject": "true", "hotpeers.dev/spawn": "true"},
        ),
    ),
    "pull always": ((f"{DEPLOYMENT}.imagePullPolicy", "Always"),),
    "hardened": (
        (
            f"{DEPLOYMENT}.securityContext",
            {"privileged": False, "runAsNonRoot": True, "readOnlyRootFilesystem": True},
        ),
    ),
    "compaction": (
        (
            f"{D}.context.compaction",
            {
                "compactionInterval": 5,
                "overlapSize": 2,
                "tokenThreshold": 9,
                "eventRetentionSize": 1,
            },
        ),
    ),
    "summaries": ((f"{D}.context.compaction.summarizer.modelConfig", "large"),),
    "summaries by the agent's model": ((f"{D}.context.compaction.summarizer", {}),),
    "a skill image": (("spec.skills.refs", [f"registry.example.com/team/skill@{DIGEST}"]),),
    "a skill of git": (
        ("spec.skills.gitRefs", [{"url": GIT, "ref": "v2", "path": "a/b", "name": "b"}]),
    ),
    "a skill of s3": (
        ("spec.skills.s3Refs", [{"uri": "s3://bucket/skills/a/", "region": "eu-central-1"}]),
    ),
}
BYO_EDITS: dict[str, tuple[tuple[str, Any], ...]] = {
    "own image": (),
    "own image with a tag and digest": (
        (f"{B}.image", f"registry.example.com/team/worker:1.0@{DIGEST}"),
    ),
    "own image by tag": ((f"{B}.image", "registry.example.com/team/tagged:1.0"),),
    "own image by digest": ((f"{B}.image", f"registry.example.com/team/tagged@{DIGEST}"),),
    "own image, variables": ((f"{B}.env", [{"name": "SEED", "value": "a b"}]),),
    "own image, skills": (("spec.skills.refs", [f"registry.example.com/team/skill@{DIGEST}"]),),
}


def cases() -> dict[str, Any]:
    """Every one of them by its name."""
    found = {name: edited(declarative(), *edits) for name, edits in EDITS.items()}
    return {**found, **{name: edited(byo(), *edits) for name, edits in BYO_EDITS.items()}}
