"""Writes omitted defaults into a manifest, so that they are checked and stored like other fields.

The defaults of kagent 0.10.0-rc3: an omitted runtime is Go, an omitted modelConfig is the cluster's
default, and an omitted kind of a tool server is `MCPServer`. Skills make the pod privileged unless
`allowPrivilegeEscalation` is false (`buildContainerSecurityContext` of its translator). Under
`podSecurity: restricted`, everything that this level requires is written, and other values are denied.
An omitted serviceAccountName means the agent's own name, unless kagent was installed with one account
for all agents of a namespace. In that case an account would not identify the agent behind a request.
"""

from __future__ import annotations

import copy
from typing import Any

from ...base.parts import part
from ..schema.policy import PolicySpec
from ..schema.quantity import parse_quantity
from .agent import audience_of
from .deployment import ACCOUNT
from .security import contexts_of

DEFAULT_MODEL_CONFIG = "default-model-config"
_REQUESTS = {"cpu": "100m", "memory": "384Mi"}


def completed(
    manifest: Any, spec: PolicySpec, *, namespace: str, home: str
) -> tuple[Any, frozenset[str]]:
    """A copy of the manifest with all defaults, and the paths of the defaults that were added."""
    whole = copy.deepcopy(manifest)
    written: set[str] = set()
    found = whole.get("spec")
    name = part(whole, "metadata").get("name")
    if isinstance(found, dict):
        _default(found, "type", "Declarative", "spec", written)
        if namespace != home:
            _default(found, "allowedNamespaces", audience_of(home), "spec", written)
        skills = part(found, "skills").get("gitRefs")
        for number, one in enumerate(skills if isinstance(skills, list) else []):
            if isinstance(one, dict):
                _default(one, "ref", "main", f"spec.skills.gitRefs[{number}]", written)
        if found.get("type") == "Declarative":
            _declarative(found, spec, name, written)
        elif isinstance(found.get("byo"), dict):
            _deployment(found, "byo", spec, name, written)
    return whole, frozenset(written)


def _declarative(found: dict[str, Any], spec: PolicySpec, name: object, written: set[str]) -> None:
    block, path = found.get("declarative"), "spec.declarative"
    if not isinstance(block, dict):
        return
    _default(block, "runtime", "go", path, written)
    _default(block, "modelConfig", DEFAULT_MODEL_CONFIG, path, written)
    _deployment(found, "declarative", spec, name, written)
    tools = block.get("tools")
    for number, tool in enumerate(tools if isinstance(tools, list) else []):
        for key, kind in (("mcpServer", "MCPServer"), ("agent", "Agent")):
            reference = tool.get(key) if isinstance(tool, dict) else None
            if isinstance(reference, dict):
                where = f"{path}.tools[{number}].{key}"
                _default(reference, "kind", kind, where, written)
                if reference["kind"] != "Service":
                    _default(reference, "apiGroup", "kagent.dev", where, written)
    compaction = block.get("context")
    compaction = compaction.get("compaction") if isinstance(compaction, dict) else None
    summarizer = compaction.get("summarizer") if isinstance(compaction, dict) else None
    if isinstance(summarizer, dict):
        _default(
            summarizer,
            "modelConfig",
            block.get("modelConfig"),
            f"{path}.context.compaction.summarizer",
            written,
        )


def _deployment(
    found: dict[str, Any], kind: str, spec: PolicySpec, name: object, written: set[str]
) -> None:
    deployment = found[kind].setdefault("deployment", {})
    if not isinstance(deployment, dict):
        return
    where = f"spec.{kind}.deployment"
    if isinstance(name, str):
        _default(deployment, ACCOUNT, name, where, written)
    for field, wanted in contexts_of(spec, found).items():
        context = deployment.setdefault(field, {})
        if isinstance(context, dict):
            for key, value in wanted.items():
                _default(context, key, value, f"{where}.{field}", written)
    _resources(deployment, where, spec, written)


def _resources(deployment: dict[str, Any], where: str, spec: PolicySpec, written: set[str]) -> None:
    limits = spec.limits.resources if spec.limits else None
    if limits is None:
        return
    resources = deployment.setdefault("resources", {})
    if not isinstance(resources, dict):
        return
    most = {"cpu": limits.cpu, "memory": limits.memory}
    amounts = resources.setdefault("limits", {})
    if isinstance(amounts, dict):
        # Without this default, the container would have no limit for the resource.
        for key, value in most.items():
            _default(amounts, key, value, f"{where}.resources.limits", written)
    if "requests" not in resources and isinstance(amounts, dict):
        resources["requests"] = {
            key: value if _fits(value, amounts.get(key)) else amounts[key]
            for key, value in _REQUESTS.items()
        }


def _default(found: dict[str, Any], key: str, value: Any, path: str, written: set[str]) -> None:
    if key not in found:
        found[key] = value
        written.add(f"{path}.{key}")


def _fits(value: str, limit: object) -> bool:
    try:
        return parse_quantity(value) <= parse_quantity(limit)
    except ValueError:
        return False
