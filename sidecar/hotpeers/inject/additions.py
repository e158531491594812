"""The edits of an injected pod: containers, volumes, mounts and variables that it lacks.

`injector` has decided before what is added. A pod that was injected before gets only what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .annotations import Wishes
from .bridge import (
    MCP_URL,
    BridgePlan,
    bridge_url,
    config_arguments,
    config_mount,
    config_volume,
)
from .conflicts import find_container, is_installing
from .drain import DRAIN_VARIABLE, DrainPlan
from .edit import Edit
from .hotconfig import hot_environment, pod_volume
from .identity import orchestrator_name
from .idle_restart import (
    has_probe,
    restart_environment,
    restart_mount,
    restart_mounts,
    restart_probe,
    restart_volume,
)
from .image import IMAGE_READER, REFERENCE, must_be_read, reader_container
from .observation import agent_observation
from .outcome import Injection, Json, Skip
from .own_container import SHIM, SIDECAR, SPAWNER
from .sidecar import (
    AGENT_ENVIRONMENT,
    MAX_DEPTH,
    fleet_environment,
    report_environment,
    shim_container,
    sidecar_container,
    sidecar_environment,
)
from .spawner import SPAWN_URL, is_native_spawner, registry_of, spawn_url, spawner_container
from .volumes import (
    CREDENTIALS_VOLUME,
    KEYS_VOLUME,
    SHIM_FOLDER,
    credentials_volume,
    keys_volume,
    token_volume,
    volumes,
)

BOOTSTRAP = f"{SHIM_FOLDER}/hotpeers_shim/bootstrap"
"""The first entry of the agent's PYTHONPATH."""


@dataclass(frozen=True, slots=True)
class Extras:
    """Optional parts that the pod gets besides sidecar and shim. `without` says why others are left out."""

    drain: DrainPlan
    bridge: BridgePlan | None = None
    spawns: bool = False
    hot: bool = False
    restarts: bool = False
    without: tuple[Skip, ...] = ()
    warnings: tuple[str, ...] = ()


def add_mounts(
    edit: Edit, target: Json, place: tuple[str | int, ...], mounts: Sequence[Json]
) -> None:
    """Mount volumes into the agent's container at `place`, where they are missing."""
    mounted = {one["mountPath"] for one in target.get("volumeMounts") or []}
    for mount in mounts:
        # Compare paths, not volume names: a volume of kagent may be mounted at other paths too.
        if mount["mountPath"] not in mounted:
            edit.insert(mount, None, *place, "volumeMounts")


def add_bridge(edit: Edit, target: Json, place: tuple[str | int, ...], extras: Extras) -> None:
    """Point the agent to the bridge: kagent by its configuration, any program by a variable."""
    url = bridge_url(find_container(edit.pod, SIDECAR) or {})
    if url is None:
        return  # an older sidecar, which has no bridge
    if MCP_URL not in _names(target.get("env")):
        edit.insert({"name": MCP_URL, "value": url}, None, *place, "env")
    if extras.bridge is not None and extras.bridge.config is not None:
        add_mounts(edit, target, place, [config_mount()])
        edit.put(config_arguments(target), *place, "args")
    if extras.restarts:
        add_mounts(edit, target, place, [restart_mount()])
        if not has_probe(target):
            edit.put(restart_probe(), *place, "livenessProbe")


def add_containers(  # noqa: PLR0913, PLR0917 - all that was decided before
    edit: Edit,
    target: Json,
    namespace: str,
    injection: Injection,
    wishes: Wishes,
    extras: Extras,
) -> None:
    """Add the sidecar, and before it or in it what installs the shim or serves the bridge."""
    pod = edit.pod
    drain = extras.drain
    has_shim = find_container(pod, SHIM) is not None
    found = find_container(pod, SIDECAR)
    if extras.bridge is not None:
        if found is None:
            environment = sidecar_environment(wishes, injection, namespace, orchestrator_name(pod))
            environment[DRAIN_VARIABLE] = str(drain.seconds or "")
            if extras.restarts:
                environment |= restart_environment(pod)
            _add_bridging_sidecar(edit, target, namespace, injection, environment, wishes, extras)
        return
    installs = injection.native_sidecars and not has_shim if found is None else is_installing(found)
    if not has_shim and not installs:
        edit.insert(shim_container(pod, target, injection, wishes), 0, "spec", "initContainers")
    if found is not None:
        return
    environment = sidecar_environment(wishes, injection, namespace, orchestrator_name(pod))
    environment[DRAIN_VARIABLE] = str(drain.seconds or "")
    sidecar = sidecar_container(
        pod, target, namespace, injection, environment, wishes, installs=installs
    )
    _add_keys(edit, wishes)
    if injection.native_sidecars:
        names = [one["name"] for one in edit.items("spec", "initContainers") or []]
        behind = names.index(SHIM) + 1 if SHIM in names else 0
        edit.insert(sidecar, behind, "spec", "initContainers")
    else:
        edit.insert(sidecar, None, "spec", "containers")
    # Add it only together with the sidecar: an older sidecar does not install its program.
    if must_be_read(target, injection) and find_container(pod, IMAGE_READER) is None:
        names = [one["name"] for one in edit.items("spec", "initContainers") or []]
        behind = max(names.index(name) for name in (SHIM, SIDECAR) if name in names) + 1
        edit.insert(reader_container(pod, target), behind, "spec", "initContainers")


def correct_report(edit: Edit, namespace: str, injection: Injection) -> None:
    """Let a sidecar that was there before report to the Orchestrator of its pod's workload.

    A pod template that was injected without a cluster, and then renamed or copied, names another one.
    """
    for kind in ("initContainers", "containers"):
        for at, one in enumerate(edit.items("spec", kind) or []):
            if one["name"] == SIDECAR:
                _put_report(edit, namespace, injection, ("spec", kind, at, "env"))


def _put_report(
    edit: Edit, namespace: str, injection: Injection, place: tuple[str | int, ...]
) -> None:
    for entry in report_environment(edit.pod, namespace, injection):
        entries = edit.items(*place) or []
        found = [at for at, one in enumerate(entries) if one["name"] == entry["name"]]
        if not found:
            edit.insert(entry, None, *place)
        elif "value" in entry:
            # If a variable is set twice, the last value is used.
            edit.remove(*place, found[-1], "valueFrom")
            edit.put(entry["value"], *place, found[-1], "value")


def _add_keys(edit: Edit, wishes: Wishes) -> None:
    if wishes.keys and KEYS_VOLUME not in _names(edit.items("spec", "volumes")):
        edit.insert(keys_volume(wishes.keys), None, "spec", "volumes")


def _add_bridging_sidecar(  # noqa: PLR0913, PLR0917 - all that was decided before
    edit: Edit,
    target: Json,
    namespace: str,
    injection: Injection,
    environment: dict[str, str],
    wishes: Wishes,
    extras: Extras,
) -> None:
    pod = edit.pod
    sidecar = sidecar_container(
        pod, target, namespace, injection, environment, wishes, bridge=extras.bridge
    )
    if extras.restarts:
        sidecar["volumeMounts"] += restart_mounts(pod)
    _add_keys(edit, wishes)
    # The agent must not start before its bridge answers. kubelet starts containers in their order,
    # and the next one only after the postStart hook of the last one has ended.
    kind = "initContainers" if injection.native_sidecars else "containers"
    edit.insert(sidecar, 0, "spec", kind)


def add_spawner(
    edit: Edit, target: Json, namespace: str, injection: Injection, wishes: Wishes
) -> None:
    """Add the container with the spawning tools."""
    pod = edit.pod
    if find_container(pod, SPAWNER) is not None:
        return
    environment = sidecar_environment(wishes, injection, namespace, orchestrator_name(pod))
    spawner = spawner_container(pod, target, injection, environment, wishes)
    _, token = registry_of(injection, wishes)
    if token is not None:
        edit.insert(token, None, "spec", "volumes")
    if is_native_spawner(pod, injection):
        names = [one["name"] for one in pod["spec"].get("initContainers") or []]
        behind = names.index(SIDECAR) + 1 if SIDECAR in names else None
        edit.insert(spawner, behind, "spec", "initContainers")
    else:
        # Append it after the agent, so that the agent does not wait for it.
        edit.insert(spawner, None, "spec", "containers")
    _tell_bridge_of_spawner(edit, spawner)


def _tell_bridge_of_spawner(edit: Edit, spawner: Json) -> None:
    """The bridge adds the spawning tools to the agent's configuration, so it needs their URL."""
    for kind in ("initContainers", "containers"):
        for at, one in enumerate(edit.items("spec", kind) or []):
            if one["name"] == SIDECAR and bridge_url(one) is not None:
                entry = {"name": SPAWN_URL, "value": spawn_url(spawner)}
                edit.insert(entry, None, "spec", kind, at, "env")


def add_volumes(edit: Edit, wishes: Wishes, extras: Extras) -> None:
    """Add the volumes that the added containers and mounts need."""
    wanted = volumes(shim=extras.bridge is None)
    wanted += [pod_volume()] if extras.hot or extras.restarts else []
    wanted += [restart_volume()] if extras.restarts else []
    if extras.bridge is not None and extras.bridge.config is not None:
        wanted.append(config_volume())
    for volume in wanted:
        if volume["name"] not in _names(edit.items("spec", "volumes")):
            edit.insert(volume, None, "spec", "volumes")
    name, missing = token_volume(edit.pod)
    mounts = _names((find_container(edit.pod, SIDECAR) or {}).get("volumeMounts"))
    if missing and name in mounts and name not in _names(edit.items("spec", "volumes")):
        edit.insert(missing, None, "spec", "volumes")
    names = _names(edit.items("spec", "volumes"))
    if wishes.credentials and CREDENTIALS_VOLUME in mounts and CREDENTIALS_VOLUME not in names:
        edit.insert(credentials_volume(wishes.credentials), None, "spec", "volumes")


def add_environment(  # noqa: PLR0913, PLR0917 - all that was decided before
    edit: Edit,
    target: Json,
    place: tuple[str | int, ...],
    namespace: str,
    injection: Injection,
    wishes: Wishes,
    extras: Extras,
) -> None:
    """Set the variables by which the agent's container loads the shim and finds its files."""
    environment = dict(AGENT_ENVIRONMENT)
    if wishes.max_depth is not None:
        environment[MAX_DEPTH] = str(wishes.max_depth)
    if extras.hot:
        environment |= hot_environment(edit.pod, target)
    environment |= fleet_environment(wishes, namespace)
    environment |= agent_observation(wishes, injection)
    spawner = find_container(edit.pod, SPAWNER) if extras.spawns else None
    if spawner is not None:
        environment[SPAWN_URL] = spawn_url(spawner)
    for name, value in environment.items():
        if name not in _names(target.get("env")):
            edit.insert({"name": name, "value": value}, None, *place, "env")
    entries = edit.items(*place, "env") or []
    paths = [index for index, entry in enumerate(entries) if entry["name"] == "PYTHONPATH"]
    if not paths:
        # kubelet replaces the reference by a value from `envFrom`, or keeps it. Then the bootstrap
        # replaces it by the image's value.
        elsewhere = _may_come_from_elsewhere(target) or must_be_read(target, injection)
        rest = f":{REFERENCE}" if elsewhere else ""
        entry = {"name": "PYTHONPATH", "value": BOOTSTRAP + rest}
        edit.insert(entry, None, *place, "env")
        return
    # If a variable is set twice, the last value is used.
    value = entries[paths[-1]].get("value") or ""
    if BOOTSTRAP not in value.split(":"):
        path = f"{BOOTSTRAP}:{value}" if value else BOOTSTRAP
        edit.put(path, *place, "env", paths[-1], "value")


def _may_come_from_elsewhere(target: Json) -> bool:
    sources = target.get("envFrom") or []
    return any("PYTHONPATH".startswith(source.get("prefix") or "") for source in sources)


def _names(items: list[Any] | None) -> set[str]:
    return {item["name"] for item in items or []}
