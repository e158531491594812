"""The security contexts of a spawned agent: the values that the guard sets, and the allowed ones.

kagent 0.10 copies `podSecurityContext` to the pod, and `securityContext` to its own container and to
the container that fetches skills.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ...base.parts import part
from ..decision import shown
from ..reasons import PolicyReason
from ..schema.policy import PolicySpec
from .difference import difference
from .walk import Checker, Handler

CONTAINER, POD = "securityContext", "podSecurityContext"
HARDENING = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}
"""Allowed values of a container's context without `podSecurity`. They only remove privileges."""
SKILLS_USER = 1001
"""The uid in kagent's Python image for agents with skills. The image sets its user by name, and kubelet
cannot verify that a name is not root (`python/Dockerfile.full` of 0.10; all other images use a number).
"""
# Without this value, kagent makes a pod with skills privileged.
_LEAST: dict[str, Any] = {"allowPrivilegeEscalation": False}
# All requirements of the level `restricted` of the Pod Security Standards.
_RESTRICTED_CONTAINER: dict[str, Any] = {**_LEAST, "capabilities": {"drop": ["ALL"]}}
_RESTRICTED_POD: dict[str, Any] = {
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def contexts_of(policy: PolicySpec, agent: Any) -> dict[str, dict[str, Any]]:
    """The contexts that the guard sets in an agent's deployment, by field.

    `agent` is the spec of the agent and must contain its runtime.
    """
    if policy.podSecurity != "restricted":
        return {CONTAINER: dict(_LEAST)}
    pod = copy.deepcopy(_RESTRICTED_POD)
    is_python = part(agent, "declarative").get("runtime") == "python"
    if agent.get("type") == "Declarative" and is_python and "skills" in agent:
        pod["runAsUser"] = SKILLS_USER
    return {CONTAINER: copy.deepcopy(_RESTRICTED_CONTAINER), POD: pod}


def context_handlers(checker: Checker) -> dict[str, Handler]:
    """The rules of the security contexts of a completed deployment."""
    if checker.spec.podSecurity != "restricted":
        return {CONTAINER: _hardening}
    return {field: _exactly(wanted) for field, wanted in checker.contexts.items()}


def _exactly(wanted: Mapping[str, Any]) -> Handler:
    def handler(checker: Checker, path: str, value: Any) -> None:
        if where := difference(wanted, value, path):
            wrong = "it is not what podSecurity: restricted of the policy makes it"
            checker.deny(PolicyReason.FIELD_FORBIDDEN, where, wrong, f"leave {path} out")

    return handler


def _hardening(checker: Checker, path: str, value: Any) -> None:
    if not isinstance(value, dict):
        checker.malformed(path, value, "an object")
        return
    for key, item in value.items():
        if key not in HARDENING or item is not HARDENING[key]:
            wrong = f"{shown(item)} does not only take rights away"
            known = ", ".join(f"{name}: {shown(one)}" for name, one in HARDENING.items())
            checker.deny(PolicyReason.FIELD_FORBIDDEN, f"{path}.{key}", wrong, known)
