"""Rules of a kagent Agent's `spec` (v1alpha2). Every field that can be allowed has a rule here."""

from __future__ import annotations

import re
from typing import Any

from ..decision import listed
from ..reasons import PolicyReason
from .card import check_card
from .deployment import check_deployment
from .skills import check_skills
from .texts import check_free_text, check_prompt
from .tools import check_tools
from .walk import Checker, Handler, fields, flag, number, only

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
_HOME = "kubernetes.io/metadata.name"


def check_spec(checker: Checker, path: str, value: Any) -> None:
    """Checker a spec to which the defaults were added."""
    kind = value.get("type") if isinstance(value, dict) else None
    handlers: dict[str, Handler] = {
        "type": only(PolicyReason.TYPE_NOT_ALLOWED, *checker.spec.types),
        "description": check_free_text,
        "version": _version,
        "skills": check_skills,
        "allowedNamespaces": _audience,
    }
    # Deny the block of the other type: kagent ignores it until the type is changed.
    mine, handler = ("byo", _byo) if kind == "BYO" else ("declarative", _declarative)
    fields(checker, path, value, {**handlers, mine: handler})
    if isinstance(value, dict) and mine not in value:
        checker.malformed(f"{path}.{mine}", None, "an object")


def _declarative(checker: Checker, path: str, value: Any) -> None:
    models = only(PolicyReason.MODEL_NOT_ALLOWED, *checker.spec.modelConfigs)
    fields(
        checker,
        path,
        value,
        {
            "runtime": only(PolicyReason.RUNTIME_NOT_ALLOWED, *checker.spec.runtimes),
            "systemMessage": check_prompt,
            "a2aConfig": check_card,
            "modelConfig": models,
            "stream": flag,
            "tools": check_tools,
            "deployment": lambda one, where, item: check_deployment(one, where, item, byo=False),
            "context": _context,
        },
    )


def _byo(checker: Checker, path: str, value: Any) -> None:
    fields(
        checker,
        path,
        value,
        {"deployment": lambda one, where, item: check_deployment(one, where, item, byo=True)},
    )
    deployment = value.get("deployment") if isinstance(value, dict) else None
    if not isinstance(deployment, dict) or "image" not in deployment:
        wrong = "no image is named"
        checker.deny(
            PolicyReason.IMAGE_NOT_ALLOWED,
            f"{path}.deployment.image",
            wrong,
            "an image of the policy",
        )


def _context(checker: Checker, path: str, value: Any) -> None:
    fields(checker, path, value, {"compaction": _compaction})


def _compaction(checker: Checker, path: str, value: Any) -> None:
    fields(
        checker,
        path,
        value,
        {
            "compactionInterval": number(1, 10_000),
            "overlapSize": number(0, 10_000),
            "tokenThreshold": number(0, 10_000_000),
            "eventRetentionSize": number(0, 10_000),
            "summarizer": _summarizer,
        },
    )


def _summarizer(checker: Checker, path: str, value: Any) -> None:
    models = only(PolicyReason.MODEL_NOT_ALLOWED, *checker.spec.modelConfigs)
    fields(checker, path, value, {"modelConfig": models})


def _version(checker: Checker, path: str, value: Any) -> None:
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        checker.malformed(path, value, "a version such as 1.2.0")


def audience_of(home: str) -> dict[str, Any]:
    """`allowedNamespaces` of an agent outside its orchestrator's namespace: that namespace only."""
    return {"from": "Selector", "selector": {"matchLabels": {_HOME: home}}}


def _audience(checker: Checker, path: str, value: Any) -> None:
    """Allow references only from the agent's own namespace and from its orchestrator's."""
    allowed: tuple[Any, ...] = ({}, {"from": "Same"})
    if checker.namespace != checker.home:
        allowed = (*allowed, audience_of(checker.home))
    if value not in allowed:
        wrong = "it lets other namespaces use the agent"
        checker.deny(
            PolicyReason.FIELD_FORBIDDEN, path, wrong, listed(("from: Same", "leave it out"))
        )
