"""Computes the JSON patch for a pod, or the reason why the pod is skipped.

All decisions about the pod are made before the first edit. A pod that was injected before gets only
the parts that are missing, usually nothing.
"""

from __future__ import annotations

import json

from .. import __version__
from .additions import (
    Extras,
    add_bridge,
    add_containers,
    add_environment,
    add_mounts,
    add_spawner,
    add_volumes,
    correct_report,
)
from .agent_container import find_target
from .annotations import INJECTED_LABEL, SKIPPED, STATUS, Wishes, read_annotations
from .bridge import (
    BridgePlan,
    find_bridge_conflict,
    plan_bridge,
)
from .conflicts import find_conflict, find_container, is_injected, is_ours
from .drain import DrainPlan, add_drain, add_time, plan_drain
from .edit import Edit
from .hotconfig import check_config, hot_mounts
from .idle_restart import RESTART_FOLDER, RESTART_VOLUME, check_restarts, restarts
from .outcome import Injection, Json, Patch, Skip
from .own_container import SIDECAR, SPAWNER, ends
from .reasons import InjectReason
from .runtime import check_runtime
from .volumes import (
    agent_mounts,
    has_identity,
)

_STATIC_POD = "kubernetes.io/config.mirror"


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
) -> Extras:
    spawner = _without_spawner(pod, target, injection, wishes)
    config = None
    if wishes.hot_config:
        without_shim = Skip(InjectReason.HOT_CONFIG_NEEDS_SHIM)
        config = check_config(pod, target) if bridge is None else without_shim
    elif wishes.restarts:
        config = check_restarts(pod, target, bridge)
    # Plan the drain only once: after the first injection, the grace period already includes it.
    sidecar = find_container(pod, SIDECAR)
    drain = plan_drain(pod, target, injection, wishes) if sidecar is None else DrainPlan()
    warnings = [f"hotpeers: {skip}" for skip in (config, drain.skip) if skip is not None]
    if spawner is not None:
        warnings.insert(0, f"hotpeers: there are no tools for spawning: {spawner}")
    return Extras(
        spawns=wishes.spawn and spawner is None,
        hot=wishes.hot_config and config is None,
        # An older sidecar does not ask for restarts.
        restarts=wishes.restarts and config is None and (sidecar is None or restarts(sidecar)),
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


def _check(pod: Json, target: Json, injection: Injection, extras: Extras) -> Skip | None:
    if not has_identity(pod):
        return Skip(InjectReason.NO_SERVICE_ACCOUNT)
    if not injection.native_sidecars and ends(pod):
        return Skip(InjectReason.SIDECAR_ENDLESS, f"restartPolicy {pod['spec']['restartPolicy']}")
    if extras.bridge is None:
        runtime = check_runtime(pod, target)
        return runtime or find_conflict(pod, target, spawn=extras.spawns, hot=extras.hot)
    more = {RESTART_VOLUME: RESTART_FOLDER} if extras.restarts else {}
    return find_bridge_conflict(pod, target, more) or find_conflict(
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
    extras: Extras,
) -> Patch:
    target = pod["spec"]["containers"][at]
    edit = Edit(pod)
    if is_injected(pod):
        correct_report(edit, namespace, injection)
    add_containers(edit, target, namespace, injection, wishes, extras)
    if extras.spawns:
        add_spawner(edit, target, namespace, injection, wishes)
    # An ordinary sidecar with a bridge comes before the agent.
    place = ("spec", "containers", edit.pod["spec"]["containers"].index(target))
    if extras.drain.seconds:
        add_time(edit, target, place, extras.drain.seconds)
    add_drain(edit, target, place, find_container(edit.pod, SIDECAR) or {})
    add_volumes(edit, wishes, extras)
    if extras.bridge is None:
        add_environment(edit, target, place, namespace, injection, wishes, extras)
        add_mounts(edit, target, place, [*agent_mounts(), *(hot_mounts(pod) if extras.hot else ())])
    else:
        add_bridge(edit, target, place, extras)
    edit.put("true", "metadata", "labels", INJECTED_LABEL)
    if not is_injected(pod) or STATUS not in pod["metadata"]["annotations"]:
        status = {"container": target["name"], "image": injection.image, "version": __version__}
        if extras.bridge is not None:
            status["runtime"] = "bridge"
        edit.put(json.dumps(status), "metadata", "annotations", STATUS)
        edit.remove("metadata", "annotations", SKIPPED)
    return Patch(tuple(edit.operations), without=extras.without, warnings=extras.warnings)
