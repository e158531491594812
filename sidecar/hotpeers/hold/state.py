"""Reads from a Deployment the hash of its configuration, its hold and its owner."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from ..base.parts import Json, items, number, part, text
from .names import (
    CONFIG_HASH,
    HELD_HASH,
    HELD_LABEL,
    HELD_SINCE,
    HELD_TEMPLATE,
    HOT,
    HOT_CONFIG,
    INJECT,
)

_HASH = re.compile(r"[0-9]{1,20}")
_LATEST = 2**33


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold: the wanted and the template's hash. `since` is in unix seconds, 0.0 if unreadable."""

    wanted: str
    template: str
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Owner:
    """The kagent Agent from which a Deployment is made."""

    name: str
    uid: str
    api_version: str


def template_hash(deployment: Json) -> str:
    """The config-hash of the pod template, or "" if it is missing or not in kagent's format."""
    found = text(deployment, "spec", "template", "metadata", "annotations", CONFIG_HASH)
    return found if _HASH.fullmatch(found) else ""


def is_marked(deployment: Json) -> bool:
    """Whether it has the label or any annotation of a hold."""
    annotations = part(deployment, "metadata", "annotations")
    return HELD_LABEL in part(deployment, "metadata", "labels") or any(
        name in annotations for name in (HELD_HASH, HELD_SINCE, HELD_TEMPLATE)
    )


def read_hold(deployment: Json) -> Hold | None:
    """The hold of a Deployment, or None if there is none or if it is not valid."""
    if text(deployment, "metadata", "labels", HELD_LABEL) != "true":
        return None
    wanted = text(deployment, "metadata", "annotations", HELD_HASH)
    template = text(deployment, "metadata", "annotations", HELD_TEMPLATE)
    if not _HASH.fullmatch(wanted) or not _HASH.fullmatch(template):
        return None
    return Hold(
        wanted, template, read_time(text(deployment, "metadata", "annotations", HELD_SINCE))
    )


def owner_of(deployment: Json) -> Owner | None:
    """The Agent that controls the Deployment and has the same name; None if it is not kagent's.

    `newManifestContext` of kagent's translator (0.7 to 0.10) names and labels the Deployment after
    the Agent, and makes the Agent its controller.
    """
    name = text(deployment, "metadata", "name")
    labels = part(deployment, "metadata", "labels")
    if not name or labels.get("app") != "kagent" or labels.get("kagent") != name:
        return None
    for one in items(deployment, "metadata", "ownerReferences"):
        version = text(one, "apiVersion")
        if (
            text(one, "kind") == "Agent"
            and version.startswith("kagent.dev/")
            and text(one, "name") == name
            and part({"": one}, "").get("controller") is True
        ):
            return Owner(name, text(one, "uid"), version)
    return None


def follows(deployment: Json) -> bool:
    """Whether its pods request injection and reloading of their configuration."""
    annotations = part(deployment, "spec", "template", "metadata", "annotations")
    return annotations.get(INJECT) == "true" and annotations.get(HOT_CONFIG) in HOT


def can_wait(deployment: Json) -> bool:
    """Whether a hold is useful: replicas are wanted and rollouts are not paused."""
    spec = part(deployment, "spec")
    return number(spec, "replicas", default=1) > 0 and spec.get("paused") is not True


def written_time(now: datetime) -> str:
    """A time as RFC 3339 in UTC, in whole seconds."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(written: str) -> float:
    """Unix seconds of an RFC 3339 time; 0.0 if it is invalid or out of range."""
    try:
        found = datetime.fromisoformat(written)
        seconds = found.timestamp() if found.tzinfo is not None else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return seconds if 0 < seconds < _LATEST else 0.0
