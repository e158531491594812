"""Attempts to loosen the stamps of `podSecurity: restricted` in an otherwise admitted agent."""

from __future__ import annotations

from typing import Any

from kit.spawning import byo, declarative, edited

RESTRICTED_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
GIT = [{"url": "https://git.example.com/team/skills", "ref": "v1"}]
POD: dict[str, Any] = {
    "root allowed": {"runAsNonRoot": False},
    "root allowed by a word": {"runAsNonRoot": "true"},
    "root allowed by a number": {"runAsNonRoot": 1},
    "root allowed by null": {"runAsNonRoot": None},
    "root": {"runAsUser": 0},
    "another user": {"runAsUser": 1000},
    "the user of skills without any": {"runAsUser": 1001},
    "a group": {"runAsGroup": 0},
    "further groups": {"supplementalGroups": [0]},
    "a group of files": {"fsGroup": 0},
    "no seccomp": {"seccompProfile": {"type": "Unconfined"}},
    "a profile of the node": {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}},
    "a profile beside": {"seccompProfile": {"type": "RuntimeDefault", "localhostProfile": "x"}},
    "seccomp by null": {"seccompProfile": None},
    "an empty profile": {"seccompProfile": {}},
    "no AppArmor": {"appArmorProfile": {"type": "Unconfined"}},
    "SELinux": {"seLinuxOptions": {"type": "spc_t"}},
    "sysctls": {"sysctls": [{"name": "net.ipv4.ip_forward", "value": "1"}]},
    "a host process": {"windowsOptions": {"hostProcess": True}},
    "a field of another case": {"RunAsUser": 0},
    "a list": [],
    "a word": "restricted",
    "null": None,
}
CONTAINER: dict[str, Any] = {
    "privileged": {"privileged": True},
    "privileged said false": {"privileged": False},
    "escalation": {"allowPrivilegeEscalation": True},
    "escalation by a word": {"allowPrivilegeEscalation": "false"},
    "escalation by zero": {"allowPrivilegeEscalation": 0},
    "escalation by null": {"allowPrivilegeEscalation": None},
    "nothing dropped": {"capabilities": {"drop": []}},
    "no capabilities named": {"capabilities": {}},
    "capabilities by null": {"capabilities": None},
    "one dropped": {"capabilities": {"drop": ["NET_RAW"]}},
    "lower case": {"capabilities": {"drop": ["all"]}},
    "a text": {"capabilities": {"drop": "ALL"}},
    "one more dropped": {"capabilities": {"drop": ["ALL", "NET_RAW"]}},
    "one added": {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
    "much added": {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}},
    "root in the container": {"runAsNonRoot": False},
    "no root in the container": {"runAsNonRoot": True},
    "a user in the container": {"runAsUser": 0},
    "no seccomp in the container": {"seccompProfile": {"type": "Unconfined"}},
    "unmasked": {"procMount": "Unmasked"},
    "no AppArmor in the container": {"appArmorProfile": {"type": "Unconfined"}},
    "a list": [],
    "a word": "restricted",
    "null": None,
}


def cases() -> dict[str, Any]:
    """Each alone, and together with the other stamped settings, for both types of agents."""
    found: dict[str, Any] = {}
    for base, path in (
        (declarative(), "spec.declarative.deployment"),
        (byo("worker-a"), "spec.byo.deployment"),
    ):
        kind = base["spec"]["type"]
        for field, right, table in (
            ("podSecurityContext", RESTRICTED_POD, POD),
            ("securityContext", RESTRICTED, CONTAINER),
        ):
            for name, value in table.items():
                at = f"{path}.{field}"
                found[f"{kind} {field}: {name}"] = edited(base, (at, value))
                if isinstance(value, dict):
                    found[f"{kind} {field}: {name}, else right"] = edited(
                        base, (at, {**right, **value})
                    )
    skilled = edited(declarative(), ("spec.skills.gitRefs", GIT))
    for user in (0, 65532, "1001", True):
        at = "spec.declarative.deployment.podSecurityContext.runAsUser"
        found[f"skills as {user!r}"] = edited(skilled, (at, user))
    return found
