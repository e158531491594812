"""Finds names and mounts in a pod that conflict with the injection."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from .annotations import is_marked
from .hotconfig import POD_VOLUME, hot_environment, hot_mounts
from .image import IMAGE_READER, REFERENCE
from .outcome import Json, Skip
from .own_container import SHIM, SIDECAR, SPAWNER
from .reasons import InjectReason
from .sidecar import AGENT_ENVIRONMENT
from .spawner import REGISTRY_VOLUME, SPAWN_URL, spawn_url
from .volumes import (
    ACKS_FOLDER,
    ACKS_VOLUME,
    CREDENTIALS_VOLUME,
    KEYS_VOLUME,
    PEERS_FOLDER,
    PEERS_VOLUME,
    SHIM_FOLDER,
    SHIM_VOLUME,
    TOKEN_VOLUME,
)

# Kubernetes mounts these volumes read-only, regardless of the mount's own setting.
_READ_ONLY_VOLUMES = ("configMap", "secret", "projected", "downwardAPI", "image")


def find_conflict(
    pod: Json, target: Json, *, spawn: bool = False, hot: bool = False, shim: bool = True
) -> Skip | None:
    """The first conflict, or None. Parts of an earlier injection are not conflicts.

    Without the `shim`, nothing is mounted into the agent's container and no PYTHONPATH is set.
    """
    return next(_conflicts(pod, target, spawn=spawn, hot=hot, shim=shim), None)


def _conflicts(pod: Json, target: Json, *, spawn: bool, hot: bool, shim: bool) -> Iterator[Skip]:
    yield from _names(pod)
    if spawn:
        yield from _spawner(pod, target)
    if not shim:
        return
    more = {one["mountPath"]: one["name"] for one in hot_mounts(pod)} if hot else {}
    yield from _mounts(pod, target, more)
    yield from _environment(target, hot_environment(pod, target) if hot else {})


def find_container(pod: Json, name: str) -> Json | None:
    """The container or init container of that name."""
    spec = pod["spec"]
    every = [*(spec.get("initContainers") or []), *spec["containers"]]
    return next((one for one in every if one["name"] == name), None)


def is_injected(pod: Json) -> bool:
    """Whether our sidecar is in the pod already."""
    sidecar = find_container(pod, SIDECAR)
    return sidecar is not None and is_ours(sidecar)


def is_ours(container: Json) -> bool:
    """Whether a container that mounts the peers was injected by hotpeers."""
    return _is_ours(container, PEERS_VOLUME, PEERS_FOLDER)


def is_installing(sidecar: Json) -> bool:
    """Whether the sidecar copies the shim itself, without a separate container."""
    hook = (sidecar.get("lifecycle") or {}).get("postStart")
    return bool(hook) and _is_ours(sidecar, SHIM_VOLUME, SHIM_FOLDER)


def _is_ours(container: Json, volume: str, folder: str) -> bool:
    # Compare mounts, not image and arguments: another version of the controller may have added it.
    mounts = container.get("volumeMounts") or []
    return any((mount["name"], mount["mountPath"]) == (volume, folder) for mount in mounts)


def _names(pod: Json) -> Iterator[Skip]:
    ours = (
        (SHIM, SHIM_VOLUME, SHIM_FOLDER),
        (IMAGE_READER, SHIM_VOLUME, SHIM_FOLDER),
        (SIDECAR, PEERS_VOLUME, PEERS_FOLDER),
    )
    for name, volume, folder in ours:
        found = find_container(pod, name)
        if found is not None and not _is_ours(found, volume, folder):
            yield Skip(InjectReason.NAME_TAKEN, f"container {name}")
    kinds = dict.fromkeys((SHIM_VOLUME, PEERS_VOLUME, ACKS_VOLUME), "emptyDir")
    kinds[TOKEN_VOLUME] = "projected"
    if find_container(pod, SIDECAR) is None and not is_marked(pod):
        # The pod is not injected yet, so a volume of this name is not from hotpeers.
        kinds[KEYS_VOLUME] = ""
    kinds[CREDENTIALS_VOLUME] = "secret"
    kinds[POD_VOLUME] = "downwardAPI"
    for one in pod["spec"].get("volumes") or []:
        if kinds.get(one["name"], "name") not in one:
            yield Skip(InjectReason.NAME_TAKEN, f"volume {one['name']}")


def _mounts(pod: Json, target: Json, more: dict[str, str]) -> Iterator[Skip]:
    ours = {SHIM_FOLDER: SHIM_VOLUME, PEERS_FOLDER: PEERS_VOLUME, ACKS_FOLDER: ACKS_VOLUME, **more}
    read_only = {
        volume["name"]
        for volume in pod["spec"].get("volumes") or []
        if any(kind in volume for kind in _READ_ONLY_VOLUMES)
    }
    for mount in target.get("volumeMounts") or []:
        path = _real(mount["mountPath"])
        for folder, volume in ours.items():
            own = _real(folder)
            # The container runtime cannot create a mount point inside a read-only folder.
            above = _is_below(own, path) and (mount.get("readOnly") or mount["name"] in read_only)
            same = own == path and mount["name"] != volume
            if above or same or _is_below(path, own):
                yield Skip(InjectReason.MOUNT_PATH_TAKEN, mount["mountPath"][:100])


def _spawner(pod: Json, target: Json) -> Iterator[Skip]:
    found = find_container(pod, SPAWNER)
    if found is not None and not is_ours(found):
        yield Skip(InjectReason.NAME_TAKEN, f"container {SPAWNER}")
    volumes = [volume["name"] for volume in pod["spec"].get("volumes") or []]
    if found is None and REGISTRY_VOLUME in volumes:
        yield Skip(InjectReason.NAME_TAKEN, f"volume {REGISTRY_VOLUME}")
    own = spawn_url(found) if found is not None else None
    for entry in target.get("env") or []:
        if entry["name"] == SPAWN_URL and entry.get("value") != own:
            yield Skip(InjectReason.ENVIRONMENT_TAKEN, SPAWN_URL)


def _real(path: str) -> str:
    path = posixpath.normpath(path)
    # In most images, /var/run is a link to /run.
    return path.removeprefix("/var") if path.startswith("/var/run") else path


def _is_below(path: str, folder: str) -> bool:
    return path != folder and path.startswith(folder.rstrip("/") + "/")


def _environment(target: Json, more: dict[str, str]) -> Iterator[Skip]:
    entries = target.get("env") or []
    ours = {**AGENT_ENVIRONMENT, **more}
    for entry in entries:
        expected = ours.get(entry["name"])
        if expected is not None and entry.get("value") != expected:
            yield Skip(InjectReason.ENVIRONMENT_TAKEN, entry["name"])
    paths = [entry for entry in entries if entry["name"] == "PYTHONPATH"]
    if paths and paths[-1].get("valueFrom"):
        yield Skip(InjectReason.PYTHON_PATH_NOT_LITERAL)
    texts = [str(entry.get("value") or "") for entry in entries if entry["name"] != "PYTHONPATH"]
    texts += [*(target.get("command") or []), *(target.get("args") or [])]
    if any(REFERENCE in text for text in texts):
        yield Skip(InjectReason.PYTHON_PATH_REFERENCED)
