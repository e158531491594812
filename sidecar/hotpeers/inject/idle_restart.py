"""Restart when idle (`hotpeers.dev/hot-config: "restart-when-idle"`), for an agent with the bridge.

kagent's Go runtime reads config.json only at its start. The sidecar asks for a restart of the agent's
container by a file, on a volume that both share. An injected liveness probe removes this file, and
fails if there was one (`restartprobe`). Then kubelet restarts this container and no other.
"""

from __future__ import annotations

from collections.abc import Iterator

from .bridge import BridgePlan
from .hotconfig import (
    POD_FOLDER,
    POD_VARIABLE,
    SKILLS_VARIABLE,
    follows_source,
    hot_mounts,
    skills_file,
)
from .outcome import Json, Skip
from .own_container import ends
from .reasons import InjectReason
from .restartprobe.program import PROGRAM, SIGN

RESTART_VOLUME = "hotpeers-restart"
RESTART_FOLDER = "/var/run/hotpeers/restart"
RESTART_VARIABLE = "HOTPEERS_RESTART_DIR"
"""Set in the sidecar only: the folder with the probe's program and its file."""

_COMMAND = [f"{RESTART_FOLDER}/{PROGRAM}", f"{RESTART_FOLDER}/{SIGN}"]


def check_restarts(pod: Json, target: Json, plan: BridgePlan | None) -> Skip | None:
    """Why the agent's container cannot be restarted when it is idle, or None."""
    if plan is None:
        return Skip(InjectReason.HOT_CONFIG_NEEDS_BRIDGE)
    if has_probe(target):
        return None  # the pod was injected before
    if plan.config is None or not follows_source(pod, plan.config):
        return Skip(InjectReason.HOT_CONFIG_NOT_MOUNTED)
    return _check_container(pod, target)


def _check_container(pod: Json, target: Json) -> Skip | None:
    if ends(pod):
        detail = f"that of the pod is {pod['spec']['restartPolicy']}"
        return Skip(InjectReason.RESTART_POLICY, detail)
    if (policy := target.get("restartPolicy") or "Always") != "Always":
        # A container may have its own since Kubernetes 1.35.
        return Skip(InjectReason.RESTART_POLICY, f"that of container {target['name']} is {policy}")
    if not any(one.get("protocol", "TCP") == "TCP" for one in target.get("ports") or []):
        return Skip(InjectReason.AGENT_PORT_UNKNOWN, f"container {target['name']}")
    if target.get("livenessProbe"):
        return Skip(InjectReason.LIVENESS_PROBE_TAKEN, f"container {target['name']}")
    return None


def has_probe(target: Json) -> bool:
    """Whether the container's liveness probe is the injected one."""
    probe = target.get("livenessProbe") or {}
    return bool((probe.get("exec") or {}).get("command") == _COMMAND)


def restarts(sidecar: Json) -> bool:
    """Whether the pod's existing sidecar asks for restarts."""
    return any(entry["name"] == RESTART_VARIABLE for entry in sidecar.get("env") or [])


def restart_probe() -> Json:
    """The liveness probe of the agent's container.

    A probe that cannot run does not count as failed, but one that takes too long does (`Probe` of
    pkg/probe/exec/exec.go, 1.36). So it may take an hour: a stuck probe must not stop the agent.
    """
    return {
        "exec": {"command": list(_COMMAND)},
        "periodSeconds": 5,
        "timeoutSeconds": 3600,
        "failureThreshold": 1,
    }


def restart_volume() -> Json:
    """The volume that the agent and the sidecar share."""
    return {"name": RESTART_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}


def restart_mount() -> Json:
    """Its mount. The agent's container has to write: the probe, which runs in it, removes a file."""
    return {"name": RESTART_VOLUME, "mountPath": RESTART_FOLDER}


def restart_environment(pod: Json) -> dict[str, str]:
    """The variables of the sidecar, with which it verifies kagent's hash of the configuration."""
    found = {RESTART_VARIABLE: RESTART_FOLDER, POD_VARIABLE: POD_FOLDER}
    if file := skills_file(pod):
        found[SKILLS_VARIABLE] = file
    return found


def restart_mounts(pod: Json) -> Iterator[Json]:
    """The mounts of the sidecar."""
    yield restart_mount()
    yield from hot_mounts(pod)
