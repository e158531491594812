"""Faults of what is installed: missing, twice, of two versions, or with an image that is not pulled."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..base.parts import items, text
from ..inject.annotations import STATUS
from ..inject.conflicts import find_container, is_ours
from ..inject.own_container import SHIM, SIDECAR, SPAWNER
from .finding import Finding
from .owners import owner_of
from .reasons import CheckReason
from .release import consoles, controllers, injectors
from .snapshot import Json, Part, Snapshot, place_of

_PULLING = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull")
_OURS = (SIDECAR, SHIM, SPAWNER)


def find_missing_controller(snapshot: Snapshot) -> Iterator[Finding]:
    """No controller is installed."""
    if not controllers(snapshot):
        message = "no Deployment has the labels of the controller of hotpeers"
        yield Finding(CheckReason.CONTROLLER_MISSING, "cluster", message)


def find_installed_twice(snapshot: Snapshot) -> Iterator[Finding]:
    """Two controllers, two configurations that inject, or a console with two pods."""
    for places in (
        [one.where for one in controllers(snapshot)],
        [place_of(one) for one in injectors(snapshot)],
    ):
        if len(places) > 1:
            message = f"there are {len(places)}, and both act on the same pods"
            yield Finding(CheckReason.INSTALLED_TWICE, ", ".join(places), message)
    for one in consoles(snapshot):
        if one.replicas > 1:
            message = f"it has {one.replicas} pods, so users have to sign in again and again"
            yield Finding(CheckReason.CONSOLE_SCALED, one.where, message)


def find_other_versions(snapshot: Snapshot) -> Iterator[Finding]:
    """Sidecars of another image or version than new pods get, once for each workload."""
    releases = controllers(snapshot)
    if len(releases) != 1 or not releases[0].sidecar_image:
        return
    (release,) = releases
    seen: set[tuple[str, str]] = set()
    for pod in snapshot.of(Part.PODS):
        sidecar = find_container(pod, SIDECAR)
        if sidecar is None or not is_ours(sidecar) or not is_live(pod):
            continue
        differs = []
        image, version = str(sidecar.get("image")), _version(pod)
        if image != release.sidecar_image:
            differs.append(f"its image is {image}, new pods get {release.sidecar_image}")
        if version and release.version and version != release.version:
            differs.append(f"version {version} injected it, the controller is {release.version}")
        where = owner_of(pod)
        message = "; ".join(differs)
        if differs and (where, message) not in seen:
            seen.add((where, message))
            yield Finding(CheckReason.VERSIONS_DIFFER, where, message)


def find_unpulled_images(snapshot: Snapshot) -> Iterator[Finding]:
    """Containers of ours that wait for their image."""
    for pod in snapshot.of(Part.OWN_PODS):
        yield from _unpulled(pod, None)
    for pod in snapshot.of(Part.PODS):
        yield from _unpulled(pod, _OURS)


def _unpulled(pod: Json, names: tuple[str, ...] | None) -> Iterator[Finding]:
    statuses = [
        *items(pod, "status", "initContainerStatuses"),
        *items(pod, "status", "containerStatuses"),
    ]
    for one in statuses:
        why = text(one, "state", "waiting", "reason")
        if why in _PULLING and (names is None or text(one, "name") in names):
            said = text(one, "state", "waiting", "message")[:200]
            message = f"container {text(one, 'name')}, image {text(one, 'image')}: {why}"
            message += f": {said}" if said else ""
            yield Finding(CheckReason.IMAGE_NOT_PULLED, place_of(pod), message)


def is_live(pod: Json) -> bool:
    """Whether the pod has not ended and is not being deleted."""
    ended = text(pod, "status", "phase") in ("Succeeded", "Failed")
    return not ended and not pod["metadata"].get("deletionTimestamp")


def _version(pod: Json) -> str:
    try:
        status = json.loads(text(pod, "metadata", "annotations", STATUS) or "{}")
    except ValueError:
        return ""
    return text(status, "version")
