"""Rules of an Agent's metadata, and of all labels and annotations in its manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from ..decision import listed, shown
from ..reasons import PolicyReason
from ..schema.policy import MetadataKey, is_reserved_key, seconds_of
from ..stamps import PEER, TEMPLATE, TTL
from .naming import check_beginning
from .texts import check_free_text, check_line, hidden_in
from .walk import Checker, Handler, fields, only, refused

_MAX_LAST_APPLIED = 65_536
_TTL = re.compile(r"([0-9]{1,7}[smh]){1,3}")
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_RESERVED_NAME = re.compile(r"default|kagent|hotpeers|kubernetes|(kube|kagent|hotpeers|system)-.*")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_INJECT, _SPAWN = "hotpeers.dev/inject", "hotpeers.dev/spawn"
_SYSTEM = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
"""The API server sets these fields and ignores the values in a request."""


def check_metadata(checker: Checker, path: str, value: Any) -> None:
    """Checker `metadata`, from which stamps and unchanged immutable fields were removed."""
    spec = checker.spec
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if key not in _SYSTEM}
    fields(
        checker,
        path,
        value,
        {
            "name": lambda *_: None,  # checked with the request, which must have the same name
            "generateName": check_beginning,
            "namespace": lambda *_: None,
            "labels": keyed(spec.labels, {PEER: only(PolicyReason.STAMP_FORGED, "true")}),
            "annotations": keyed(
                spec.annotations,
                {TTL: _ttl, TEMPLATE: _template, _LAST_APPLIED: _last_applied},
            ),
        },
    )


def check_name(checker: Checker, name: object, taken: frozenset[str]) -> None:
    """Checker the name of an agent. kagent creates or overwrites objects of the same name."""
    path = "metadata.name"
    patterns = checker.spec.names
    if not is_name(name):
        needed = "lower case letters, digits and '-', a letter first, at most 63"
        checker.deny(PolicyReason.NAME_NOT_ALLOWED, path, f"{shown(name)} is not a name", needed)
    elif not any(matches(name, pattern) for pattern in patterns):
        checker.deny(
            PolicyReason.NAME_NOT_ALLOWED, path, f"{shown(name)} is not allowed", listed(patterns)
        )
    elif _RESERVED_NAME.fullmatch(name):
        checker.deny(
            PolicyReason.NAME_NOT_ALLOWED, path, f"{shown(name)} is reserved", listed(patterns)
        )
    elif name in taken:
        wrong = f"{shown(name)} is a subject of a SpawnPolicy, whose rights it would get"
        checker.deny(PolicyReason.NAME_NOT_ALLOWED, path, wrong, "another name")


def is_name(name: object) -> TypeGuard[str]:
    """Whether an agent can have this name, which must also be valid for its Service."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def matches(name: str, pattern: str) -> bool:
    """Whether a name matches a pattern: the full name, or a prefix followed by `*`."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def keyed(allowed: tuple[MetadataKey, ...], known: Mapping[str, Handler]) -> Handler:
    """A handler for labels or annotations: keys that the policy allows, and `known` ones with rules."""
    by_key = {one.key: one for one in allowed}

    def handler(checker: Checker, path: str, value: Any) -> None:
        if not isinstance(value, dict):
            checker.malformed(path, value, "an object")
            return
        for key, item in value.items():
            where = f'{path}["{key}"]' if isinstance(key, str) else path
            if not isinstance(key, str) or not isinstance(item, str):
                checker.malformed(where, item if isinstance(key, str) else key, "a text")
            elif key in known:
                known[key](checker, where, item)
            elif is_reserved_key(key):
                checker.deny(
                    PolicyReason.METADATA_NOT_ALLOWED,
                    where,
                    "no policy can allow it",
                    "leave it out",
                )
            elif key not in by_key:
                checker.deny(
                    PolicyReason.METADATA_NOT_ALLOWED,
                    where,
                    "is not allowed",
                    listed(tuple(by_key)),
                )
            elif check_line(checker, where, item, 1024):
                _value(checker, where, item, by_key[key].values, free=path.endswith("annotations"))

    return handler


def _value(checker: Checker, path: str, value: str, values: tuple[str, ...], *, free: bool) -> None:
    """Checker a value. An annotation without listed values is free text."""
    if values and value not in values:
        wrong = f"{shown(value)} is not allowed"
        checker.deny(PolicyReason.METADATA_NOT_ALLOWED, path, wrong, listed(values))
    elif free and not values:
        check_free_text(checker, path, value)


def pod_annotations(checker: Checker) -> Handler:
    """A handler for annotations of the agent's pod.

    Injection can be requested only for an agent that may spawn agents itself.
    """
    spec = checker.spec
    deepest = spec.limits.maxDepth if spec.limits else 0
    if not spec.allowOrchestrators:
        why = "the policy allows no agent that spawns agents itself"
        rule = refused(PolicyReason.METADATA_NOT_ALLOWED, why)
    elif checker.depth >= deepest:
        why = f"an agent this deep ({checker.depth}) may not spawn any itself"
        rule = refused(PolicyReason.TOO_DEEP, why)
    else:
        rule = only(PolicyReason.METADATA_NOT_ALLOWED, "true")
    return keyed(spec.annotations, dict.fromkeys((_INJECT, _SPAWN), rule))


def _ttl(checker: Checker, path: str, value: Any) -> None:
    longest = checker.spec.limits.ttl.max if checker.spec.limits else "0s"
    fits = _TTL.fullmatch(value) and 0 < seconds_of(value) <= seconds_of(longest)
    if not fits:
        checker.deny(
            PolicyReason.TTL_NOT_ALLOWED, path, f"{shown(value)} is not allowed", f"up to {longest}"
        )


def _template(checker: Checker, path: str, value: Any) -> None:
    templates = checker.spec.templates
    keys = templates.keys() if templates else ()
    if value not in keys:
        wrong = f"{shown(value)} is not allowed"
        checker.deny(PolicyReason.TEMPLATE_NOT_ALLOWED, path, wrong, listed(keys))


def _last_applied(checker: Checker, path: str, value: Any) -> None:
    """The annotation of `kubectl apply`: the last manifest as text. It has no effect in the cluster."""
    try:
        is_object = len(value) <= _MAX_LAST_APPLIED and isinstance(json.loads(value), dict)
        is_object = is_object and not hidden_in(value)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        checker.malformed(path, value, f"a JSON object of at most {_MAX_LAST_APPLIED} characters")
