"""The security contexts of a spawned agent: what is stamped, and what may be written besides.

kagent 0.10 hands `podSecurityContext` on to the pod, and `securityContext` to its own container and to
the one that fetches skills.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ..decision import shown
from ..reasons import PolicyReason
from ..schema.policy import PolicySpec
from ..stamps import part
from .difference import difference
from .walk import Handler, Judge

CONTAINER, POD = "securityContext", "podSecurityContext"
HARDENING = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}
"""What may be written into a container's, where nothing is enforced: it only takes rights away."""
SKILLS_USER = 1001
"""Of kagent's Python image for agents with skills. It names its user by a word, of which a node cannot
tell that it is not root (`python/Dockerfile.full` of 0.10; all its other images have a number).
"""
# Without it kagent makes a pod with skills privileged.
_LEAST: dict[str, Any] = {"allowPrivilegeEscalation": False}
# All that the level `restricted` of the Pod Security Standards asks for.
_RESTRICTED_CONTAINER: dict[str, Any] = {**_LEAST, "capabilities": {"drop": ["ALL"]}}
_RESTRICTED_POD: dict[str, Any] = {
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def contexts_of(policy: PolicySpec, agent: Any) -> dict[str, dict[str, Any]]:
    """What is stamped on an agent's deployment, by field. `agent` is its spec, runtime included."""
    if policy.podSecurity != "restricted":
        return {CONTAINER: dict(_LEAST)}
    pod = copy.deepcopy(_RESTRICTED_POD)
    is_python = part(agent, "declarative").get("runtime") == "python"
    if agent.get("type") == "Declarative" and is_python and "skills" in agent:
        pod["runAsUser"] = SKILLS_USER
    return {CONTAINER: copy.deepcopy(_RESTRICTED_CONTAINER), POD: pod}


def context_handlers(judge: Judge) -> dict[str, Handler]:
    """The rules of the security contexts of a completed deployment."""
    if judge.spec.podSecurity != "restricted":
        return {CONTAINER: _hardening}
    return {field: _exactly(wanted) for field, wanted in judge.contexts.items()}


def _exactly(wanted: Mapping[str, Any]) -> Handler:
    def handler(judge: Judge, path: str, value: Any) -> None:
        if where := difference(wanted, value, path):
            wrong = "it is not what podSecurity: restricted of the policy makes it"
            judge.deny(PolicyReason.FIELD_FORBIDDEN, where, wrong, f"leave {path} out")

    return handler


def _hardening(judge: Judge, path: str, value: Any) -> None:
    if not isinstance(value, dict):
        judge.malformed(path, value, "an object")
        return
    for key, item in value.items():
        if key not in HARDENING or item is not HARDENING[key]:
            wrong = f"{shown(item)} does not only take rights away"
            known = ", ".join(f"{name}: {shown(one)}" for name, one in HARDENING.items())
            judge.deny(PolicyReason.FIELD_FORBIDDEN, f"{path}.{key}", wrong, known)
