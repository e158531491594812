"""What lets a pod finish its turns before it is stopped: hooks, and the time for them.

kubelet runs the hooks of all ordinary containers at once, and sends each its SIGTERM when its hook has
ended; native sidecars come last. The time of the hooks counts into the pod's grace period
(`killContainer` of pkg/kubelet/kuberuntime/kuberuntime_container.go, 1.29 to 1.36).
"""

from __future__ import annotations

from dataclasses import dataclass

from .annotations import DRAIN_SECONDS, Wishes
from .edit import Edit, Key
from .outcome import Injection, Json, Skip
from .own_container import SIDECAR, ends
from .reasons import InjectReason

DEFAULT_SECONDS = 300
DRAIN_VARIABLE = "HOTPEERS_DRAIN_SECONDS"
"""Of the sidecar alone: how long it waits for the turns to end."""

_PATH = "/drain"
_UNTIL_ENDED = f"{_PATH}?until=ended"
_DEFAULT_GRACE = 30


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """How long a pod is drained, 0 being not at all; `skip` says why not as long as it asks for."""

    seconds: int = 0
    skip: Skip | None = None


def plan_drain(pod: Json, target: Json, injection: Injection, wishes: Wishes) -> DrainPlan:
    """What is decided for a pod to which a sidecar is added."""
    asked = wishes.drain_seconds
    if asked is None:
        # Nobody sends requests to a Job's pod, and who deletes one wants it to stop.
        asked = 0 if ends(pod) else DEFAULT_SECONDS
    # A grace period of 0 is a wish too: to be killed at once. kubelet runs no hook then.
    if not asked or not injection.max_drain_seconds or not _grace(pod):
        return DrainPlan()
    if pod["spec"].get("hostNetwork"):
        return DrainPlan(0, Skip(InjectReason.DRAIN_ON_HOST_NETWORK))
    if (target.get("lifecycle") or {}).get("preStop"):
        return DrainPlan(0, Skip(InjectReason.PRE_STOP_TAKEN, f"container {target['name']}"))
    if wishes.drain_seconds and asked > injection.max_drain_seconds:
        most = injection.max_drain_seconds
        detail = f"{DRAIN_SECONDS} is {asked}, at most {most}"
        return DrainPlan(most, Skip(InjectReason.DRAIN_SHORTENED, detail))
    return DrainPlan(min(asked, injection.max_drain_seconds))


def hook_until_ended(port: int) -> Json:
    """The preStop hook of an ordinary container of ours: it serves until the agent has ended."""
    return _hook(_UNTIL_ENDED, port)


def add_drain(edit: Edit, target: Json, place: tuple[Key, ...], sidecar: Json) -> None:
    """Give the agent's container at `place` its hook, if the pod's `sidecar` drains and it has none."""
    port = sidecar_port(sidecar)
    if port is None or not drains(sidecar):
        return
    if not (target.get("lifecycle") or {}).get("preStop"):
        edit.put(_hook(_PATH, port), *place, "lifecycle", "preStop")


def add_time(edit: Edit, target: Json, place: tuple[Key, ...], seconds: int) -> None:
    """Add the time of a drain to the pod's grace period; what comes behind it has what it had before."""
    grace = _grace(edit.pod)
    # An agent that hangs must not be waited for: what its probes end has the grace period as it was.
    for probe in ("livenessProbe", "startupProbe"):
        found = target.get(probe)
        if found and found.get("terminationGracePeriodSeconds") is None:
            edit.put(grace, *place, probe, "terminationGracePeriodSeconds")
    edit.put(grace + seconds, "spec", "terminationGracePeriodSeconds")


def drains(sidecar: Json) -> bool:
    """Whether a sidecar that is in the pod knows of drains, and waits for turns."""
    return any(entry["name"] == DRAIN_VARIABLE for entry in sidecar.get("env") or [])


def sidecar_port(sidecar: Json) -> int | None:
    """Where a sidecar that is in the pod serves; None where it does not."""
    ports = [
        one["containerPort"] for one in sidecar.get("ports") or [] if one.get("name") == SIDECAR
    ]
    return ports[0] if ports else None


def _grace(pod: Json) -> int:
    found = pod["spec"].get("terminationGracePeriodSeconds")
    return _DEFAULT_GRACE if found is None else int(found)


def _hook(path: str, port: int) -> Json:
    # By its number: a name would be looked for among the ports of the container that has the hook.
    return {"httpGet": {"path": path, "port": port}}
