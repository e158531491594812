"""The allowed content of an admitted agent, written a second time: path by path of its leaves.

It shares no code with the guard, and has the shared policy of `spawning` built in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

_QUANTITY = {"cpu": {"100m", "250m", "500m", "1", 1, "0.5"}}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}")
    elif isinstance(value, list) and value:
        for item in value:
            yield from leaves(item, f"{path}/#")
    else:
        yield path, value


def one_of(*allowed: Any) -> Callable[[Any], bool]:
    return lambda value: any(type(value) is type(one) and value == one for one in allowed)


def is_text(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and len(value) <= most


def matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def is_number(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def amount(most: float, units: dict[str, float]) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        if type(value) is int:
            return bool(0 <= value <= most)
        found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", value) if isinstance(value, str) else None
        return found is not None and float(found[1]) * units[found[2]] <= most

    return check


_UNITS = {"": 1.0, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15} | {
    f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTP", start=1)
}
CPU, MEMORY = amount(1, _UNITS), amount(1024.0**3, _UNITS)
EMPTY = one_of({}, [])
_DEPLOYMENT: dict[str, Callable[[Any], bool]] = {
    "replicas": is_number(0, 2),
    "labels/team": one_of("sky", "sea"),
    "labels/topic": is_text(1024),
    "annotations/example.com/note": is_text(1024),
    "annotations/hotpeers.dev/inject": one_of("true"),
    "annotations/hotpeers.dev/spawn": one_of("true"),
    "env/#/name": one_of("LOG_LEVEL", "SEED"),
    "env/#/value": lambda value: is_text(4096)(value) and "$(" not in value,
    "imagePullPolicy": one_of("Always", "IfNotPresent"),
    "resources/(limits|requests)/cpu": CPU,
    "resources/(limits|requests)/memory": MEMORY,
    "securityContext/(allowPrivilegeEscalation|privileged)": one_of(False),
    # Whose: see `outside`.
    "serviceAccountName": matches(r"[a-z0-9.-]+"),
    "securityContext/(readOnlyRootFilesystem|runAsNonRoot)": one_of(True),
    "(labels|annotations|env|resources|resources/limits|resources/requests)": EMPTY,
}
_TOOL_NAME = one_of("search", "fetch", "read", "write")
_DECLARATIVE: dict[str, Callable[[Any], bool]] = {
    "runtime": one_of("python"),
    "modelConfig": one_of("small", "large"),
    "systemMessage": is_text(2000),
    "stream": one_of(True, False),
    "tools": EMPTY,
    "tools/#/type": one_of("McpServer", "Agent"),
    "tools/#/isolateSessions": one_of(True, False),
    "tools/#/mcpServer/name": one_of("web", "files", "all", "asked", "service"),
    "tools/#/mcpServer/namespace": one_of("tools", "team", "sandbox"),
    "tools/#/mcpServer/kind": one_of("RemoteMCPServer", "MCPServer", "Service"),
    "tools/#/mcpServer/apiGroup": one_of("", "kagent.dev"),
    "tools/#/mcpServer/(toolNames|requireApproval)/#": matches(r"[\x21-\x7e]{1,128}"),
    "tools/#/mcpServer/(toolNames|requireApproval|allowedHeaders)": EMPTY,
    "tools/#/mcpServer/allowedHeaders/#": matches(r"(?i:x-tenant)"),
    "tools/#/agent/name": matches(r"checker|aide-.*|judge"),
    "tools/#/agent/namespace": one_of("team", "sandbox", "court"),
    "tools/#/agent/kind": one_of("Agent"),
    "tools/#/agent/apiGroup": one_of("", "kagent.dev"),
    "context(/compaction)?": EMPTY,
    "context/compaction/(compactionInterval|eventRetentionSize)": is_number(0, 10_000),
    "context/compaction/(overlapSize|tokenThreshold)": is_number(0, 10_000_000),
    "context/compaction/summarizer/modelConfig": one_of("small", "large"),
}
_STAMP = "metadata/annotations/hotpeers.dev/"
_CLOSURE: dict[str, Callable[[Any], bool]] = {
    "apiVersion": one_of("kagent.dev/v1alpha2"),
    "kind": one_of("Agent"),
    "metadata/name": matches(r"(worker-[-a-z0-9]{0,56}|helper)"),
    "metadata/namespace": one_of("team", "sandbox"),
    "metadata/(uid|resourceVersion|generation|creationTimestamp|managedFields)(/.*)?": lambda _: (
        True
    ),
    "metadata/labels/team": one_of("sky", "sea"),
    "metadata/labels/topic": is_text(1024),
    "metadata/labels/hotpeers.dev/(peer|spawned)": one_of("true"),
    "metadata/annotations/example.com/note": is_text(1024),
    "metadata/annotations/kubectl.kubernetes.io/last-applied-configuration": is_text(65_536),
    f"{_STAMP}ttl": matches(r"([0-9]{1,7}[smh]){1,3}"),
    f"{_STAMP}spawned-by": one_of("team/lead"),
    f"{_STAMP}spawned-by-serviceaccount": one_of("team/lead"),
    f"{_STAMP}spawned-by-uid": one_of("agent-uid"),
    f"{_STAMP}depth": one_of("1"),
    f"{_STAMP}expires-at": matches(r"2026-11-01T1[234]:[0-9]{2}:[0-9]{2}Z"),
    f"{_STAMP}policy": one_of("team/workers"),
    "metadata/ownerReferences/#/apiVersion": one_of("kagent.dev/v1alpha2"),
    "metadata/ownerReferences/#/kind": one_of("Agent"),
    "metadata/ownerReferences/#/name": one_of("lead"),
    "metadata/ownerReferences/#/uid": one_of("agent-uid"),
    "metadata/ownerReferences/#/(controller|blockOwnerDeletion)": one_of(False),
    "spec/type": one_of("Declarative", "BYO"),
    "spec/description": is_text(4096),
    "spec/version": is_text(64),
    "spec/allowedNamespaces": EMPTY,
    "spec/allowedNamespaces/from": one_of("Same", "Selector"),
    "spec/allowedNamespaces/selector/matchLabels/kubernetes.io/metadata.name": one_of("team"),
    "spec/skills(/(refs|gitRefs|s3Refs))?": EMPTY,
    "spec/skills/refs/#": matches(r"registry\.example\.com/team/skill@sha256:[0-9a-f]{64}"),
    "spec/skills/gitRefs/#/url": one_of("https://git.example.com/team/skills"),
    "spec/skills/gitRefs/#/ref": one_of("v1", "v2"),
    "spec/skills/(gitRefs|s3Refs)/#/name": matches(r"[A-Za-z0-9_][A-Za-z0-9._-]*"),
    "spec/skills/gitRefs/#/path": lambda value: ".." not in value.split("/") and value[:1] != "/",
    "spec/skills/s3Refs/#/uri": lambda value: (
        value.startswith("s3://bucket/skills/") and ".." not in value.split("/")
    ),
    "spec/skills/s3Refs/#/region": matches(r"[a-z0-9-]+"),
    "spec/byo/deployment/image": matches(
        r"registry\.example\.com/team/(worker@sha256:[0-9a-f]{64}|worker:[A-Za-z0-9_.-]+@sha256:[0-9a-f]{64}"
        r"|tagged:1\.0(@sha256:[0-9a-f]{64})?|tagged@sha256:[0-9a-f]{64})"
    ),
    **{f"spec/declarative/{path}": check for path, check in _DECLARATIVE.items()},
    **{f"spec/(declarative|byo)/deployment/{path}": check for path, check in _DEPLOYMENT.items()},
}
_PATTERNS = [
    (re.compile(path.replace(".", "[.]").replace("[.]*", ".*")), check)
    for path, check in _CLOSURE.items()
]


def outside(manifest: Any) -> list[str]:
    """Every leaf that is not allowed, and violations that only several leaves together show."""
    found = [
        f"{path} = {value!r}"
        for path, value in leaves(manifest)
        if not any(pattern.fullmatch(path[1:]) and check(value) for pattern, check in _PATTERNS)
    ]
    spec = manifest["spec"]
    block = spec.get("byo" if spec["type"] == "BYO" else "declarative")
    if ("byo" in spec) == ("declarative" in spec):
        found.append("both types, or none")
    if block["deployment"]["serviceAccountName"] != manifest["metadata"]["name"]:
        found.append("it runs as an account that is not its own")
    if block["deployment"]["securityContext"]["allowPrivilegeEscalation"] is not False:
        found.append("can become privileged")
    if not {"cpu", "memory"} <= set(block["deployment"]["resources"]["limits"]):
        found.append("no limit of a resource")
    for tool in block.get("tools", []) if spec["type"] == "Declarative" else []:
        found += _tool(tool, manifest["metadata"].get("namespace", "team"))
    return found


def _tool(tool: Any, home: str) -> list[str]:
    if tool["type"] == "Agent":
        agent = tool["agent"]
        place = agent.get("namespace", home)
        right = place == "court" if agent["name"] == "judge" else place == home
        return [] if right else [f"agent {agent}"]
    server = tool["mcpServer"]
    place = server.get("namespace", home)
    names, approved = server.get("toolNames", []), server.get("requireApproval", [])
    rights = {
        "web": (home, "RemoteMCPServer", bool(names) and set(names) <= {"search", "fetch"}),
        "files": (
            home,
            "RemoteMCPServer",
            bool(names)
            and set(names) <= {"read", "write"}
            and ("write" not in names or "write" in approved),
        ),
        "all": ("tools", "MCPServer", True),
        "asked": (home, "RemoteMCPServer", bool(names) and set(names) <= set(approved)),
        "service": (home, "Service", True),
    }
    namespace, kind, is_right = rights[server["name"]]
    headers = bool(server.get("allowedHeaders")) and server["name"] != "files"
    right = is_right and place == namespace and server["kind"] == kind and not headers
    return [] if right else [f"server {server}"]
