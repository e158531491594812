"""Reads a sidecar's `/status`: the configuration and the turns of its agent.

`status.Status.document` writes it: `acks[].config` for each agent process that reloads its
configuration, and `turns`. A pod is not trusted; only these fields are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hotpeers_shim.contract import clean_text

from ..base.parts import Json, items, part, text

_MAX_PROCESSES = 256


class Says(StrEnum):
    """A pod's answer about the wanted configuration."""

    LIVE = "live"
    REFUSED = "refused"
    RESTART = "restart"
    WAITING = "waiting"
    """The agent's container is restarted with it as soon as the agent is idle."""
    OTHER = "other"
    """Another configuration is live, or the pod does not know one yet."""
    NOTHING = "nothing"
    """The pod could not be asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One pod's answer. `stamp` changes when its processes report something new."""

    says: Says
    message: str = ""
    stamp: str = ""
    idle: float | None = None
    """Seconds for which no turn has run; None while a turn runs, or if this is unknown."""


SILENT = Answer(Says.NOTHING)


def read_answer(document: object, wanted: str) -> Answer:
    """The answer in the JSON of `/status`. It is live only if all processes have the wanted hash live.

    `seen` of a process is the hash of the files that its report is about. A refusal of other files
    does not concern the wanted configuration.
    """
    idle = _idle(part(document, "turns"))
    configs = [part(one, "config") for one in items(document, "acks")[:_MAX_PROCESSES]]
    configs = [one for one in configs if one]
    stamp = "|".join(sorted(f"{text(one, 'state')} {one.get('time')}" for one in configs))[:4000]
    for state in (Says.RESTART, Says.REFUSED):
        for one in configs:
            if text(one, "state") == state and text(one, "seen") in ("", wanted):
                return Answer(state, _message(one), stamp, idle)
    for one in configs:
        if text(one, "state") == Says.WAITING and text(one, "seen") == wanted:
            return Answer(Says.WAITING, _message(one), stamp, idle)
    live = [text(one, "state") == "live" and text(one, "hash") == wanted for one in configs]
    says = Says.LIVE if live and all(live) else Says.OTHER
    return Answer(says, "", stamp, idle)


def _message(config: Json) -> str:
    named = [str(one) for one in items(config, "restart")[:20] if isinstance(one, str)]
    parts = [text(config, "reason"), ", ".join(named), text(config, "message")]
    return clean_text(": ".join(one for one in parts if one), 400)


def _idle(turns: Json) -> float | None:
    active, idle = turns.get("active"), turns.get("idleSeconds")
    if active != 0 or isinstance(active, bool) or isinstance(idle, bool):
        return None
    return max(float(idle), 0.0) if isinstance(idle, (int, float)) else None
