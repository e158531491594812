"""Drain: preStop hooks and a longer grace period, so that a pod finishes its turns before it stops.

kubelet runs the hooks of all ordinary containers at the same time, and sends SIGTERM to each container
when its hook has ended. Native sidecars stop last. The hooks' time counts towards the grace period
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
"""Set in the sidecar only: how long it waits for the turns to end."""

_PATH = "/drain"
_UNTIL_ENDED = f"{_PATH}?until=ended"
_DEFAULT_GRACE = 30


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """Seconds of a pod's drain, 0 for no drain. `skip` is why it is shorter than requested."""

    seconds: int = 0
    skip: Skip | None = None


def plan_drain(pod: Json, target: Json, injection: Injection, wishes: Wishes) -> DrainPlan:
    """The drain of a pod that gets a sidecar."""
    asked = wishes.drain_seconds
    if asked is None:
        # A Job's pod gets no requests, and a user who deletes it wants it to stop.
        asked = 0 if ends(pod) else DEFAULT_SECONDS
    # A grace period of 0 requests an immediate kill. kubelet then runs no hook.
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
    """The preStop hook of an injected ordinary container. It keeps serving until the agent ends."""
    return _hook(_UNTIL_ENDED, port)


def add_drain(edit: Edit, target: Json, place: tuple[Key, ...], sidecar: Json) -> None:
    """Add a preStop hook to the agent's container at `place`.

    Does nothing if the pod's `sidecar` does not drain, or if the container has a preStop hook.
    """
    port = sidecar_port(sidecar)
    if port is None or not drains(sidecar):
        return
    if not (target.get("lifecycle") or {}).get("preStop"):
        edit.put(_hook(_PATH, port), *place, "lifecycle", "preStop")


def add_time(edit: Edit, target: Json, place: tuple[Key, ...], seconds: int) -> None:
    """Add the time of a drain to the pod's grace period, so that the time after the drain is unchanged."""
    grace = _grace(edit.pod)
    # Keep the original grace period for a kill by a probe: a hanging agent has no turns to wait for.
    for probe in ("livenessProbe", "startupProbe"):
        found = target.get(probe)
        if found and found.get("terminationGracePeriodSeconds") is None:
            edit.put(grace, *place, probe, "terminationGracePeriodSeconds")
    edit.put(grace + seconds, "spec", "terminationGracePeriodSeconds")


def drains(sidecar: Json) -> bool:
    """Whether the pod's existing sidecar supports drains."""
    return any(entry["name"] == DRAIN_VARIABLE for entry in sidecar.get("env") or [])


def sidecar_port(sidecar: Json) -> int | None:
    """The port of the pod's existing sidecar, or None if it does not serve."""
    ports = [
        one["containerPort"] for one in sidecar.get("ports") or [] if one.get("name") == SIDECAR
    ]
    return ports[0] if ports else None


def _grace(pod: Json) -> int:
    found = pod["spec"].get("terminationGracePeriodSeconds")
    return _DEFAULT_GRACE if found is None else int(found)


def _hook(path: str, port: int) -> Json:
    # Use the number: kubelet looks up a port name in the container that has the hook.
    return {"httpGet": {"path": path, "port": port}}
