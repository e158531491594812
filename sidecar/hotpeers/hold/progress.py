"""When a hold is live, and when it must be given up."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from ..base.reasons import Reason
from .answer import Answer, Says
from .reasons import HoldReason

STALE_SECONDS = 5.0
"""What a pod said before it was asked may be about an older file: it counts only after so long."""
UNREADY_FACTOR = 6.0
"""A pod that is not Ready yet has so many times longer: kagent's probe alone waits 15 seconds."""


class Stand(StrEnum):
    """How a hold stands."""

    WAITING = "waiting"
    LIVE = "live"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Asked:
    """A pod, and what came of asking it. `seconds` is how long ago it was asked first."""

    name: str
    ready: bool
    failing: bool
    has_sidecar: bool
    seconds: float
    answer: Answer
    before: str = ""
    """The stamp of its answer before it was asked."""
    proven: bool = False
    """Whether it had the configuration live when it answered last."""
    denied: str = ""
    """Why the pod cannot be annotated, "" where it can."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How a hold stands; `reason` and `message` say why it is given up."""

    stand: Stand
    reason: Reason | None = None
    message: str = ""


WAITING = Progress(Stand.WAITING)


def judge(pods: Collection[Asked], replicas: int, since: float, ack_seconds: float) -> Progress:
    """How a hold stands whose Deployment rolls out nothing.

    `since` is for how many seconds this leader has looked at it; `replicas` how many pods there are
    to be.
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
    # A controller that is cut off from pods that were live must not roll all of them.
    live = said.says is Says.LIVE or (said.says is Says.NOTHING and pod.proven)
    bound = ack_seconds if pod.ready else ack_seconds * UNREADY_FACTOR
    if not live and pod.seconds >= bound:
        why = f"; it cannot be annotated: {pod.denied}" if pod.denied else ""
        return _release(
            HoldReason.ACK_MISSING, f"pod {pod.name}: no ack for {pod.seconds:.0f} s{why}"
        )
    return None


def _release(reason: Reason, message: str) -> Progress:
    return Progress(Stand.RELEASE, reason, message)
