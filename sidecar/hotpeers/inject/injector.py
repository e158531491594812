"""Computes the JSON patch for a pod, or the reason why the pod is skipped.

All decisions about the pod are made before the first edit. A pod that was injected before gets only
the parts that are missing, usually nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import __version__
from .agent_container import find_target
from .annotations import INJECTED_LABEL, SKIPPED, STATUS, Wishes, read_annotations
from .bridge import (
    MCP_URL,
    BridgePlan,
    bridge_url,
    config_arguments,
    config_mount,
    config_volume,
    find_bridge_conflict,
    plan_bridge,
)
from .conflicts import find_conflict, find_container, is_injected, is_installing, is_ours
from .drain import DRAIN_VARIABLE, DrainPlan, add_drain, add_time, plan_drain
from .edit import Edit
from .hotconfig import check_config, hot_environment, hot_mounts, pod_volume
from .identity import orchestrator_name
from .image import IMAGE_READER, REFERENCE, must_be_read, reader_container
from .outcome import Injection, Json, Patch, Skip
from .own_container import SHIM, SIDECAR, SPAWNER, ends
from .reasons import InjectReason
from .runtime import check_runtime
from .sidecar import AGENT_ENVIRONMENT, shim_container, sidecar_container, sidecar_environment
from .spawner import SPAWN_URL, is_native_spawner, registry_of, spawn_url, spawner_container
from .volumes import (
    CREDENTIALS_VOLUME,
    KEYS_VOLUME,
    SHIM_FOLDER,
    agent_mounts,
    credentials_volume,
    has_identity,
    keys_volume,
    token_volume,
    volumes,
)

BOOTSTRAP = f"{SHIM_FOLDER}/hotpeers_shim/bootstrap"
"""The first entry of the agent's PYTHONPATH."""

_STATIC_POD = "kubernetes.io/config.mirror"


@dataclass(frozen=True, slots=True)
class _Extras:
    """Optional parts that the pod gets besides sidecar and shim. `without` says why others are left out."""

    drain: DrainPlan
    bridge: BridgePlan | None = None
    spawns: bool = False
    hot: bool = False
    without: tuple[Skip, ...] = ()
    warnings: tuple[str, ...] = ()


def make_patch(
    pod: Json,
    namespace: str,
    injection: Injection,
    *,
    known: Skip | None = None,
    runtime: str = "",
) -> Patch:
    """The patch for a pod that is created in `namespace`. The given pod is not changed.

    `known` is a reason to skip the pod that was found outside the pod, for example in its Namespace.
    `runtime` is the runtime that its Agent names, "" if there is none.
    """
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    wishes = read_annotations(annotations)
    if wishes is None:
        return Patch(asked=False)
    if isinstance(wishes, Skip):
        return skip_pod(pod, known or wishes)
    if _STATIC_POD in annotations:
        return skip_pod(pod, Skip(InjectReason.STATIC_POD), wishes)
    at = find_target(pod, wishes)
    if isinstance(at, Skip):
        return _refused(pod, known or at, wishes)
    target = pod["spec"]["containers"][at]
    bridge = plan_bridge(pod, target, wishes, runtime)
    impossible, plan = (bridge, None) if isinstance(bridge, Skip) else (None, bridge)
    extras = _extras(pod, target, injection, wishes, plan)
    skip = known or impossible or _check(pod, target, injection, extras)
    if skip is not None:
        return _refused(pod, skip, wishes)
    return _injected(pod, at, namespace, injection, wishes, extras)


def _extras(
    pod: Json, target: Json, injection: Injection, wishes: Wishes, bridge: BridgePlan | None
) -> _Extras:
    spawner = _without_spawner(pod, target, injection, wishes)
    config = None
    if wishes.hot_config:
        without_shim = Skip(InjectReason.HOT_CONFIG_NEEDS_SHIM)
        config = check_config(pod, target) if bridge is None else without_shim
    # Plan the drain only once: after the first injection, the grace period already includes it.
    fresh = find_container(pod, SIDECAR) is None
    drain = plan_drain(pod, target, injection, wishes) if fresh else DrainPlan()
    warnings = [f"hotpeers: {skip}" for skip in (config, drain.skip) if skip is not None]
    if spawner is not None:
        warnings.insert(0, f"hotpeers: there are no tools for spawning: {spawner}")
    return _Extras(
        spawns=wishes.spawn and spawner is None,
        hot=wishes.hot_config and config is None,
        drain=drain,
        bridge=bridge,
        without=tuple(skip for skip in (spawner, config, drain.skip) if skip is not None),
        warnings=(*warnings, *wishes.warnings),
    )


def _without_spawner(pod: Json, target: Json, injection: Injection, wishes: Wishes) -> Skip | None:
    """Why the pod gets no spawning tools although it requests them. Other parts are injected anyway."""
    before = find_container(pod, SPAWNER)
    # An injected agent of that name mounts the peers too, but is not our container.
    ours = before is not None and before is not target and is_ours(before)
    if not wishes.spawn or ours:
        return None
    if pod["spec"].get("hostNetwork"):
        return Skip(InjectReason.HOST_NETWORK)
    if not (wishes.registry or injection.registry_url):
        return Skip(InjectReason.REGISTRY_UNKNOWN)
    return None


def _check(pod: Json, target: Json, injection: Injection, extras: _Extras) -> Skip | None:
    if not has_identity(pod):
        return Skip(InjectReason.NO_SERVICE_ACCOUNT)
    if not injection.native_sidecars and ends(pod):
        return Skip(InjectReason.SIDECAR_ENDLESS, f"restartPolicy {pod['spec']['restartPolicy']}")
    if extras.bridge is None:
        runtime = check_runtime(pod, target)
        return runtime or find_conflict(pod, target, spawn=extras.spawns, hot=extras.hot)
    return find_bridge_conflict(pod, target) or find_conflict(
        pod, target, spawn=extras.spawns, shim=False
    )


def _refused(pod: Json, skip: Skip, wishes: Wishes) -> Patch:
    # The pod was injected before: do not report changes that other webhooks made later.
    done = is_injected(pod)
    return Patch(warnings=wishes.warnings) if done else skip_pod(pod, skip, wishes)


def skip_pod(pod: Json, skip: Skip, wishes: Wishes | None = None) -> Patch:
    """The patch of a pod that is skipped: an annotation with the reason."""
    warnings = wishes.warnings if wishes is not None else ()
    edit = Edit(pod)
    # Do not change a static pod: kubelet compares it with its own manifest.
    if _STATIC_POD not in pod["metadata"]["annotations"]:
        edit.put(str(skip), "metadata", "annotations", SKIPPED)
    warning = f"hotpeers: nothing is injected: {skip}"
    return Patch(tuple(edit.operations), skip=skip, warnings=(warning, *warnings))


def _injected(  # noqa: PLR0913, PLR0917 - all that was decided before
    pod: Json,
    at: int,
    namespace: str,
    injection: Injection,
    wishes: Wishes,
    extras: _Extras,
) -> Patch:
    target = pod["spec"]["containers"][at]
    edit = Edit(pod)
    _add_containers(edit, target, namespace, injection, wishes, extras)
    if extras.spawns:
        _add_spawner(edit, target, namespace, injection, wishes)
    # An ordinary sidecar with a bridge comes before the agent.
    place = ("spec", "containers", edit.pod["spec"]["containers"].index(target))
    if extras.drain.seconds:
        add_time(edit, target, place, extras.drain.seconds)
    add_drain(edit, target, place, find_container(edit.pod, SIDECAR) or {})
    _add_volumes(edit, wishes, extras)
    if extras.bridge is None:
        _add_environment(edit, target, place, injection, extras)
        _add_mounts(
            edit, target, place, [*agent_mounts(), *(hot_mounts(pod) if extras.hot else ())]
        )
    else:
        _add_bridge(edit, target, place, extras)
    edit.put("true", "metadata", "labels", INJECTED_LABEL)
    if not is_injected(pod) or STATUS not in pod["metadata"]["annotations"]:
        status = {"container": target["name"], "image": injection.image, "version": __version__}
        if extras.bridge is not None:
            status["runtime"] = "bridge"
        edit.put(json.dumps(status), "metadata", "annotations", STATUS)
        edit.remove("metadata", "annotations", SKIPPED)
    return Patch(tuple(edit.operations), without=extras.without, warnings=extras.warnings)


def _add_mounts(
    edit: Edit, target: Json, place: tuple[str | int, ...], mounts: Sequence[Json]
) -> None:
    mounted = {one["mountPath"] for one in target.get("volumeMounts") or []}
    for mount in mounts:
        # Compare paths, not volume names: a volume of kagent may be mounted at other paths too.
        if mount["mountPath"] not in mounted:
            edit.insert(mount, None, *place, "volumeMounts")


def _add_bridge(edit: Edit, target: Json, place: tuple[str | int, ...], extras: _Extras) -> None:
    """Point the agent to the bridge: kagent by its configuration, any program by a variable."""
    url = bridge_url(find_container(edit.pod, SIDECAR) or {})
    if url is None:
        return  # an older sidecar, which has no bridge
    if MCP_URL not in _names(target.get("env")):
        edit.insert({"name": MCP_URL, "value": url}, None, *place, "env")
    if extras.bridge is not None and extras.bridge.config is not None:
        _add_mounts(edit, target, place, [config_mount()])
        edit.put(config_arguments(target), *place, "args")


def _add_containers(  # noqa: PLR0913, PLR0917 - all that was decided before
    edit: Edit,
    target: Json,
    namespace: str,
    injection: Injection,
    wishes: Wishes,
    extras: _Extras,
) -> None:
    pod = edit.pod
    drain = extras.drain
    has_shim = find_container(pod, SHIM) is not None
    found = find_container(pod, SIDECAR)
    if extras.bridge is not None:
        if found is None:
            environment = sidecar_environment(wishes, namespace, orchestrator_name(pod))
            environment[DRAIN_VARIABLE] = str(drain.seconds or "")
            _add_bridging_sidecar(edit, target, injection, environment, wishes, extras.bridge)
        return
    installs = injection.native_sidecars and not has_shim if found is None else is_installing(found)
    if not has_shim and not installs:
        edit.insert(shim_container(pod, target, injection, wishes), 0, "spec", "initContainers")
    if found is not None:
        return
    environment = sidecar_environment(wishes, namespace, orchestrator_name(pod))
    environment[DRAIN_VARIABLE] = str(drain.seconds or "")
    sidecar = sidecar_container(pod, target, injection, environment, wishes, installs=installs)
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


def _add_keys(edit: Edit, wishes: Wishes) -> None:
    if wishes.keys and KEYS_VOLUME not in _names(edit.items("spec", "volumes")):
        edit.insert(keys_volume(wishes.keys), None, "spec", "volumes")


def _add_bridging_sidecar(  # noqa: PLR0913, PLR0917 - all that was decided before
    edit: Edit,
    target: Json,
    injection: Injection,
    environment: dict[str, str],
    wishes: Wishes,
    plan: BridgePlan,
) -> None:
    pod = edit.pod
    sidecar = sidecar_container(pod, target, injection, environment, wishes, bridge=plan)
    _add_keys(edit, wishes)
    # The agent must not start before its bridge answers. kubelet starts containers in their order,
    # and the next one only after the postStart hook of the last one has ended.
    kind = "initContainers" if injection.native_sidecars else "containers"
    edit.insert(sidecar, 0, "spec", kind)


def _add_spawner(
    edit: Edit, target: Json, namespace: str, injection: Injection, wishes: Wishes
) -> None:
    pod = edit.pod
    if find_container(pod, SPAWNER) is not None:
        return
    environment = sidecar_environment(wishes, namespace, orchestrator_name(pod))
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


def _add_volumes(edit: Edit, wishes: Wishes, extras: _Extras) -> None:
    wanted = volumes(shim=extras.bridge is None)
    wanted += [pod_volume()] if extras.hot else []
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


def _add_environment(
    edit: Edit,
    target: Json,
    place: tuple[str | int, ...],
    injection: Injection,
    extras: _Extras,
) -> None:
    environment = dict(AGENT_ENVIRONMENT)
    if extras.hot:
        environment |= hot_environment(edit.pod, target)
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
