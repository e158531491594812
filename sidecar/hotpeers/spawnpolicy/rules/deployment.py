"""Rules of `spec.declarative.deployment` and `spec.byo.deployment`: settings of the agent's pod."""

from __future__ import annotations

from typing import Any

from ..decision import listed, shown
from ..reasons import PolicyReason
from ..schema.images import described, is_allowed
from ..schema.policy import RESERVED_ENV
from ..schema.quantity import parse_quantity
from .metadata import keyed, pod_annotations
from .security import context_handlers
from .texts import judge_line
from .walk import Handler, Judge, each, fields, number, only

ACCOUNT = "serviceAccountName"
_MAX_ENV = 64


def judge_deployment(judge: Judge, path: str, value: Any, *, byo: bool) -> None:
    """Judge the settings of the agent's Deployment."""
    replicas = judge.spec.limits.maxReplicas if judge.spec.limits else 0
    handlers: dict[str, Handler] = {
        "replicas": number(0, replicas),
        "labels": keyed(judge.spec.labels, {}),
        "annotations": pod_annotations(judge),
        "env": lambda one, where, item: each(one, where, item, _variable, _MAX_ENV),
        "imagePullPolicy": only(PolicyReason.FIELD_MALFORMED, "Always", "IfNotPresent"),
        "resources": _resources,
        **context_handlers(judge),
    }
    if byo:
        handlers["image"] = _image
    if isinstance(value, dict) and value.get(ACCOUNT) == judge.name:
        handlers[ACCOUNT] = lambda *_: None
    fields(judge, path, value, handlers)


def _image(judge: Judge, path: str, value: Any) -> None:
    images = judge.spec.images
    if not is_allowed(value, images):
        wrong = f"{shown(value)} is not allowed"
        judge.deny(PolicyReason.IMAGE_NOT_ALLOWED, path, wrong, listed(described(images)))


def _variable(judge: Judge, path: str, value: Any) -> None:
    fields(judge, path, value, {"name": _variable_name, "value": _variable_value})
    if isinstance(value, dict) and "name" not in value:
        judge.malformed(f"{path}.name", None, "the name of a variable")


def _variable_name(judge: Judge, path: str, value: Any) -> None:
    if (
        not isinstance(value, str)
        or value not in judge.spec.environment
        or RESERVED_ENV.fullmatch(value)
    ):
        wrong = f"{shown(value)} is not allowed"
        judge.deny(
            PolicyReason.ENVIRONMENT_NOT_ALLOWED, path, wrong, listed(judge.spec.environment)
        )


def _variable_value(judge: Judge, path: str, value: Any) -> None:
    if judge_line(judge, path, value, 4096) and "$(" in value:
        judge.deny(
            PolicyReason.ENVIRONMENT_NOT_ALLOWED, path, "it takes in another variable", "no $(...)"
        )


def _resources(judge: Judge, path: str, value: Any) -> None:
    if not judge.spec.limits or not judge.spec.limits.resources:
        # kagent sets its default requests and limits only if the field is missing
        # (`getDefaultResources` of its translator). `{}` means a container without limits.
        wrong = "kagent would drop its own limits, and the policy sets none"
        judge.deny(PolicyReason.RESOURCES_EXCEEDED, path, wrong, "leave it out")
        return
    fields(judge, path, value, {"requests": _amounts, "limits": _amounts})


def _amounts(judge: Judge, path: str, value: Any) -> None:
    limits = judge.spec.limits.resources if judge.spec.limits else None
    most = {"cpu": limits.cpu, "memory": limits.memory} if limits else {}
    if not isinstance(value, dict):
        judge.malformed(path, value, "an object")
        return
    for key, item in value.items():
        where = f"{path}.{key}"
        if key not in most:
            wrong = f"{shown(key)} may not be set"
            judge.deny(PolicyReason.RESOURCES_EXCEEDED, where, wrong, listed(tuple(most)))
            continue
        try:
            fits = parse_quantity(item) <= parse_quantity(most[key])
        except ValueError:
            fits = False
        if not fits:
            wrong = f"{shown(item)} is too much, or no quantity"
            judge.deny(PolicyReason.RESOURCES_EXCEEDED, where, wrong, f"up to {most[key]}")
