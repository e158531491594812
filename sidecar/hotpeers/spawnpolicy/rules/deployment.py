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
from .texts import check_line
from .walk import Checker, Handler, each, fields, number, only

ACCOUNT = "serviceAccountName"
_MAX_ENV = 64


def check_deployment(checker: Checker, path: str, value: Any, *, byo: bool) -> None:
    """Checker the settings of the agent's Deployment."""
    replicas = checker.spec.limits.maxReplicas if checker.spec.limits else 0
    handlers: dict[str, Handler] = {
        "replicas": number(0, replicas),
        "labels": keyed(checker.spec.labels, {}),
        "annotations": pod_annotations(checker),
        "env": lambda one, where, item: each(one, where, item, _variable, _MAX_ENV),
        "imagePullPolicy": only(PolicyReason.FIELD_MALFORMED, "Always", "IfNotPresent"),
        "resources": _resources,
        **context_handlers(checker),
    }
    if byo:
        handlers["image"] = _image
    if isinstance(value, dict) and value.get(ACCOUNT) == checker.name:
        handlers[ACCOUNT] = lambda *_: None
    fields(checker, path, value, handlers)


def _image(checker: Checker, path: str, value: Any) -> None:
    images = checker.spec.images
    if not is_allowed(value, images):
        wrong = f"{shown(value)} is not allowed"
        checker.deny(PolicyReason.IMAGE_NOT_ALLOWED, path, wrong, listed(described(images)))


def _variable(checker: Checker, path: str, value: Any) -> None:
    fields(checker, path, value, {"name": _variable_name, "value": _variable_value})
    if isinstance(value, dict) and "name" not in value:
        checker.malformed(f"{path}.name", None, "the name of a variable")


def _variable_name(checker: Checker, path: str, value: Any) -> None:
    if (
        not isinstance(value, str)
        or value not in checker.spec.environment
        or RESERVED_ENV.fullmatch(value)
    ):
        wrong = f"{shown(value)} is not allowed"
        checker.deny(
            PolicyReason.ENVIRONMENT_NOT_ALLOWED, path, wrong, listed(checker.spec.environment)
        )


def _variable_value(checker: Checker, path: str, value: Any) -> None:
    if check_line(checker, path, value, 4096) and "$(" in value:
        checker.deny(
            PolicyReason.ENVIRONMENT_NOT_ALLOWED, path, "it takes in another variable", "no $(...)"
        )


def _resources(checker: Checker, path: str, value: Any) -> None:
    if not checker.spec.limits or not checker.spec.limits.resources:
        # kagent sets its default requests and limits only if the field is missing
        # (`getDefaultResources` of its translator). `{}` means a container without limits.
        wrong = "kagent would drop its own limits, and the policy sets none"
        checker.deny(PolicyReason.RESOURCES_EXCEEDED, path, wrong, "leave it out")
        return
    fields(checker, path, value, {"requests": _amounts, "limits": _amounts})


def _amounts(checker: Checker, path: str, value: Any) -> None:
    limits = checker.spec.limits.resources if checker.spec.limits else None
    most = {"cpu": limits.cpu, "memory": limits.memory} if limits else {}
    if not isinstance(value, dict):
        checker.malformed(path, value, "an object")
        return
    for key, item in value.items():
        where = f"{path}.{key}"
        if key not in most:
            wrong = f"{shown(key)} may not be set"
            checker.deny(PolicyReason.RESOURCES_EXCEEDED, where, wrong, listed(tuple(most)))
            continue
        try:
            fits = parse_quantity(item) <= parse_quantity(most[key])
        except ValueError:
            fits = False
        if not fits:
            wrong = f"{shown(item)} is too much, or no quantity"
            checker.deny(PolicyReason.RESOURCES_EXCEEDED, where, wrong, f"up to {most[key]}")
