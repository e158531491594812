"""Decides whether the agent's container is restarted now. Pure.

A restart is asked for at most once for each new configuration, and only while no turn runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

QUIET_SECONDS = 5.0
"""Seconds without a turn before the agent counts as idle: a client pauses between turns."""
SETTLE_SECONDS = 6.0
"""Seconds for which a new configuration must be unchanged, so that a burst of edits is one restart.

It is more than the clocks of a node and of the control plane may differ: a process that starts later
is proven to have the Secrets of that configuration (`hotpeers_shim.hot.hashing.CLOCK_SKEW`).
"""
START_SECONDS = 60.0
"""Seconds that the agent may take to start with new files, before it gets the previous ones back."""
UNSEEN_SECONDS = 60.0
"""Seconds for kubelet's probe to find the request. The probe runs every 5 seconds."""
STOP_SECONDS = 1200.0
"""Seconds for kubelet to restart the container: it first drains the agent, which has its own limit."""
BACKOFF_SECONDS = 600.0
"""kubelet starts a container at once if its last restart was so long ago, and otherwise delays the start
by 10 seconds and more (`crashLoopBackOff` of pkg/kubelet/kubelet.go, `doBackOff` of
pkg/kubelet/kuberuntime/kuberuntime_manager.go, 1.36).
"""


class Step(StrEnum):
    """What is to be done, and the state of the newest configuration."""

    LIVE = "live"
    """The agent runs with it."""
    STARTING = "starting"
    """The agent starts."""
    WAIT = "wait"
    """It waits for the agent to be idle."""
    ASK = "ask"
    """Ask for a restart now."""
    ASKED = "asked"
    """A restart was asked for."""
    WITHDRAW = "withdraw"
    """Take the request back: a turn has begun, or the files have changed again."""
    GIVE_UP = "give up"
    """Take the request back: kubelet does not act on it."""
    ROLL_BACK = "roll back"
    """The agent does not start with it: put the previous files back."""
    REFUSED = "refused"
    """It is not used, because it is bad. The previous one is."""
    NEEDS_POD = "needs pod"
    """A restart of the container does not make it live, or not now: the pod has to be replaced."""


@dataclass(frozen=True, slots=True)
class Request:
    """A restart that was asked for: for which configuration, and when (by the monotonic clock)."""

    wanted: str
    time: float


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a decision depends on. Digests are "" if unknown. Times are seconds of the monotonic clock.

    `newest`, `folder`, `running`, `good` and `bad` are the digests of the newest files, of those in the
    agent's folder, of those that the process started with, of the last ones with which a process was
    steady, and of those with which it did not start. `wanted` identifies the newest files together with
    the Secrets, and `age` is how long it is wanted. `idle` is how long no turn has run, None while one
    runs. `proven` is False if the process lacks the Secrets of the newest configuration. `tried` is the
    `wanted` of the last restart that was asked for.
    """

    now: float
    newest: str
    folder: str
    running: str
    good: str = ""
    bad: str = ""
    valid: bool = True
    wanted: str = ""
    age: float = 0.0
    proven: bool = True
    skills_changed: bool = False
    listening: bool = True
    steady: bool = True
    unsteady: float = 0.0
    restarted: float = 0.0
    idle: float | None = None
    request: Request | None = None
    sign: bool = False
    """Whether the file of the request is still there: no probe has found it yet."""
    tried: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The step, and the reason in words for the status. `restart` names what only a new pod applies."""

    step: Step
    why: str = ""
    restart: tuple[str, ...] = ()


def decide(seen: Seen) -> Decision:
    """The next step."""
    asks = seen.request is not None and seen.sign
    if seen.good != seen.folder and seen.good and seen.unsteady >= START_SECONDS and not asks:
        return Decision(Step.ROLL_BACK)
    if seen.request is not None:
        return _asked(seen, seen.request)
    return _refusal(seen) or _state(seen)


def _refusal(seen: Seen) -> Decision | None:
    if not seen.valid:
        return Decision(Step.REFUSED, "the file config.json is not valid")
    if seen.newest == seen.bad:
        why = f"the agent did not start with it within {START_SECONDS:.0f} seconds"
        return Decision(Step.REFUSED, why)
    return None


def _state(seen: Seen) -> Decision:
    if not seen.listening:
        return Decision(Step.STARTING, "the agent does not listen on its port")
    if seen.running == seen.newest and seen.proven and not seen.skills_changed:
        return Decision(Step.LIVE)
    return _obstacle(seen) or _when_idle(seen)


def _when_idle(seen: Seen) -> Decision:
    if not seen.steady:
        return Decision(Step.STARTING, "the agent has just started")
    if seen.idle is None:
        return Decision(Step.WAIT, "a turn is in flight")
    if seen.idle < QUIET_SECONDS or seen.age < SETTLE_SECONDS:
        return Decision(Step.WAIT, "hotpeers waits some seconds for further turns and changes")
    return Decision(Step.ASK)


def _obstacle(seen: Seen) -> Decision | None:
    """Why a restart of the container is of no use, or None."""
    if seen.skills_changed:
        return Decision(Step.NEEDS_POD, "skills are fetched when a pod starts", ("skills",))
    if seen.tried == seen.wanted:
        return Decision(Step.NEEDS_POD, "a restart was asked for once, and did not make it live")
    if seen.restarted and seen.now - seen.restarted < BACKOFF_SECONDS:
        why = (
            f"the container was restarted less than {BACKOFF_SECONDS / 60:.0f} minutes ago,"
            " so kubelet would delay its next start"
        )
        return Decision(Step.NEEDS_POD, why)
    return None


def _asked(seen: Seen, request: Request) -> Decision:
    waited = seen.now - request.time
    if not seen.sign:
        # A probe has found it, and kubelet now drains and stops the container.
        if waited >= STOP_SECONDS:
            return Decision(Step.GIVE_UP, "kubelet did not restart the container")
        return Decision(Step.ASKED, "kubelet restarts the container")
    is_idle = seen.idle is not None and seen.idle >= QUIET_SECONDS
    if not is_idle or not seen.listening or seen.wanted != request.wanted:
        return Decision(Step.WITHDRAW)
    if waited >= UNSEEN_SECONDS:
        return Decision(Step.GIVE_UP, "kubelet does not run the container's liveness probe")
    return Decision(Step.ASKED, "kubelet's next probe restarts the container")
