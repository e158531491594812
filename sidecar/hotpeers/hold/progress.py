"""Decides when the configuration of a hold is live, and when the hold must be given up."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from ..base.reasons import Reason
from .answer import Answer, Says
from .reasons import HoldReason

STALE_SECONDS = 5.0
"""An answer that is unchanged since before the pod was asked may be about an older file. It counts only
after this time.
"""
UNREADY_FACTOR = 6.0
"""A pod that is not Ready has this many times longer, because kagent's probe alone waits 15 seconds. So
has a pod whose agent is restarted when it is idle.
"""


class Stand(StrEnum):
    """The state of a hold."""

    WAITING = "waiting"
    LIVE = "live"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Asked:
    """A pod that was asked, and its answer. `seconds` is the time since it was first asked."""

    name: str
    ready: bool
    failing: bool
    has_sidecar: bool
    seconds: float
    answer: Answer
    before: str = ""
    """The stamp of its last answer before it was asked."""
    proven: bool = False
    """Whether its last answer said that the configuration is live."""
    denied: str = ""
    """Why the pod cannot be annotated, or ""."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a hold. `reason` and `message` are set if it must be released."""

    stand: Stand
    reason: Reason | None = None
    message: str = ""


WAITING = Progress(Stand.WAITING)


def progress_of(
    pods: Collection[Asked], replicas: int, since: float, ack_seconds: float
) -> Progress:
    """The state of a hold whose Deployment has no rollout in progress.

    `since` is the time in seconds for which this leader has checked the hold. `replicas` is the wanted
    number of pods.
    """
    for pod in pods:
        if (given_up := _give_up(pod, ack_seconds)) is not None:
            return given_up
    if len(pods) >= replicas and all(one.answer.says is Says.LIVE for one in pods):
        return Progress(Stand.LIVE)
    if len(pods) < replicas and since >= ack_seconds * UNREADY_FACTOR:
        return _release(HoldReason.ACK_MISSING, f"{len(pods)} of {replicas} pods are there")
    return WAITING


def _give_up(pod: Asked, ack_seconds: float) -> Progress | None:
    said = pod.answer
    if not pod.has_sidecar:
        return _release(HoldReason.ACK_MISSING, f"pod {pod.name} has no sidecar that can be asked")
    is_news = said.stamp != pod.before or pod.seconds >= STALE_SECONDS
    if said.says is Says.REFUSED and is_news:
        return _release(HoldReason.HELD_REFUSED, f"pod {pod.name}: {said.message}")
    if said.says is Says.RESTART and is_news:
        return _release(HoldReason.HELD_RESTART, f"pod {pod.name}: {said.message}")
    if pod.failing:
        return _release(HoldReason.ROLLOUT_STUCK, f"pod {pod.name} cannot start")
    # A pod that was live and cannot be reached counts as live: a network failure of the controller
    # must not cause rollouts.
    live = said.says is Says.LIVE or (said.says is Says.NOTHING and pod.proven)
    quick = pod.ready and said.says is not Says.WAITING
    bound = ack_seconds if quick else ack_seconds * UNREADY_FACTOR
    if not live and pod.seconds >= bound:
        why = f"; it cannot be annotated: {pod.denied}" if pod.denied else ""
        why += f"; {said.message}" if said.says is Says.WAITING else ""
        return _release(
            HoldReason.ACK_MISSING, f"pod {pod.name}: no ack for {pod.seconds:.0f} s{why}"
        )
    return None


def _release(reason: Reason, message: str) -> Progress:
    return Progress(Stand.RELEASE, reason, message)
