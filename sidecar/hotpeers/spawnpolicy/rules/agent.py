"""Rules of a kagent Agent's `spec` (v1alpha2). Every field that can be allowed has a rule here."""

from __future__ import annotations

import re
from typing import Any

from ..decision import listed
from ..reasons import PolicyReason
from .card import judge_card
from .deployment import judge_deployment
from .skills import judge_skills
from .texts import judge_free_text, judge_prompt
from .tools import judge_tools
from .walk import Handler, Judge, fields, flag, number, only

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
_HOME = "kubernetes.io/metadata.name"


def judge_spec(judge: Judge, path: str, value: Any) -> None:
    """Judge a spec to which the defaults were added."""
    kind = value.get("type") if isinstance(value, dict) else None
    handlers: dict[str, Handler] = {
        "type": only(PolicyReason.TYPE_NOT_ALLOWED, *judge.spec.types),
        "description": judge_free_text,
        "version": _version,
        "skills": judge_skills,
        "allowedNamespaces": _audience,
    }
    # Deny the block of the other type: kagent ignores it until the type is changed.
    mine, handler = ("byo", _byo) if kind == "BYO" else ("declarative", _declarative)
    fields(judge, path, value, {**handlers, mine: handler})
    if isinstance(value, dict) and mine not in value:
        judge.malformed(f"{path}.{mine}", None, "an object")


def _declarative(judge: Judge, path: str, value: Any) -> None:
    models = only(PolicyReason.MODEL_NOT_ALLOWED, *judge.spec.modelConfigs)
    fields(
        judge,
        path,
        value,
        {
            "runtime": only(PolicyReason.RUNTIME_NOT_ALLOWED, *judge.spec.runtimes),
            "systemMessage": judge_prompt,
            "a2aConfig": judge_card,
            "modelConfig": models,
            "stream": flag,
            "tools": judge_tools,
            "deployment": lambda one, where, item: judge_deployment(one, where, item, byo=False),
            "context": _context,
        },
    )


def _byo(judge: Judge, path: str, value: Any) -> None:
    fields(
        judge,
        path,
        value,
        {"deployment": lambda one, where, item: judge_deployment(one, where, item, byo=True)},
    )
    deployment = value.get("deployment") if isinstance(value, dict) else None
    if not isinstance(deployment, dict) or "image" not in deployment:
        wrong = "no image is named"
        judge.deny(
            PolicyReason.IMAGE_NOT_ALLOWED,
            f"{path}.deployment.image",
            wrong,
            "an image of the policy",
        )


def _context(judge: Judge, path: str, value: Any) -> None:
    fields(judge, path, value, {"compaction": _compaction})


def _compaction(judge: Judge, path: str, value: Any) -> None:
    fields(
        judge,
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


def _summarizer(judge: Judge, path: str, value: Any) -> None:
    models = only(PolicyReason.MODEL_NOT_ALLOWED, *judge.spec.modelConfigs)
    fields(judge, path, value, {"modelConfig": models})


def _version(judge: Judge, path: str, value: Any) -> None:
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        judge.malformed(path, value, "a version such as 1.2.0")


def audience_of(home: str) -> dict[str, Any]:
    """`allowedNamespaces` of an agent outside its orchestrator's namespace: that namespace only."""
    return {"from": "Selector", "selector": {"matchLabels": {_HOME: home}}}


def _audience(judge: Judge, path: str, value: Any) -> None:
    """Allow references only from the agent's own namespace and from its orchestrator's."""
    allowed: tuple[Any, ...] = ({}, {"from": "Same"})
    if judge.namespace != judge.home:
        allowed = (*allowed, audience_of(judge.home))
    if value not in allowed:
        wrong = "it lets other namespaces use the agent"
        judge.deny(
            PolicyReason.FIELD_FORBIDDEN, path, wrong, listed(("from: Same", "leave it out"))
        )
