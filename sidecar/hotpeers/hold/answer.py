"""What a sidecar's `/status` says of the configuration and of the turns of its agent.

`status.Status.document` writes it: `acks[].config` of each agent process that follows its
configuration, and `turns`. A pod may say anything; nothing but these fields is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hotpeers_shim.contract import clean_text

from ..base.parts import Json, items, part, text

_MAX_PROCESSES = 256


class Says(StrEnum):
    """What a pod says of the configuration that is wanted."""

    LIVE = "live"
    REFUSED = "refused"
    RESTART = "restart"
    OTHER = "other"
    """Another configuration is live, or none is known yet."""
    NOTHING = "nothing"
    """It could not be asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One pod's answer. `stamp` changes when its processes say something new."""

    says: Says
    message: str = ""
    stamp: str = ""
    idle: float | None = None
    """For how many seconds no turn has run; None while one does, or where that is unknown."""


SILENT = Answer(Says.NOTHING)


def read_answer(document: object, wanted: str) -> Answer:
    """The answer in the JSON of `/status`. All processes must have the configuration live.

    `seen` of a process is the hash of the files that it speaks of: a refusal of others says nothing of
    what is wanted.
    """
    idle = _idle(part(document, "turns"))
    configs = [part(one, "config") for one in items(document, "acks")[:_MAX_PROCESSES]]
    configs = [one for one in configs if one]
    stamp = "|".join(sorted(f"{text(one, 'state')} {one.get('time')}" for one in configs))[:4000]
    for state in (Says.RESTART, Says.REFUSED):
        for one in configs:
            if text(one, "state") == state and text(one, "seen") in ("", wanted):
                return Answer(state, _message(one), stamp, idle)
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
