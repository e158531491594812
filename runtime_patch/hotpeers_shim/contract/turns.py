"""The turns file: the number of turns in flight in one process, to decide when it can be stopped.

The shim writes `turns-<pid>.json` beside the acks: after each change, every 15 seconds, and twice a
second while the pod drains. To start a drain, the sidecar creates a file `draining` beside the peer
file. The file exists as long as the drain lasts, and its content is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .codec import decode, encode
from .fields import get_boolean, get_integer, get_time
from .limits import API_VERSION
from .values import Rejection

DRAINING_FILE = "draining"
"""The name of the file whose existence means that the pod drains."""
MAX_TURNS_BYTES = 4096
"""The largest turns file, in bytes."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of one process.

    `active` is the number of turns in flight. `idleSince` is when the last turn ended, or when the
    count began; None while a turn is in flight. `draining` is whether the process has seen that the
    pod drains. Times are in seconds since the epoch.
    """

    pid: int
    active: int = 0
    idleSince: float | None = None
    draining: bool = False
    time: float = 0.0
    apiVersion: str = API_VERSION


def load_turns(raw: bytes) -> Turns | Rejection:
    """Decode and check a turns file. Never raises. A `Rejection` has the field and the reason."""
    return decode(raw, MAX_TURNS_BYTES, _turns)


def dump_turns(turns: Turns) -> bytes:
    """Encode turns as one line of UTF-8 JSON, with a newline at the end."""
    data = {
        "apiVersion": turns.apiVersion,
        "pid": turns.pid,
        "active": turns.active,
        "idleSince": turns.idleSince,
        "draining": turns.draining,
        "time": turns.time,
    }
    return encode(data) + b"\n"


def _turns(data: dict[str, Any]) -> Turns:
    idle = data.get("idleSince")
    return Turns(
        pid=get_integer(data, "", "pid"),
        active=get_integer(data, "", "active"),
        idleSince=None if idle is None else get_time(data, "", "idleSince"),
        draining=get_boolean(data, "", "draining", default=False),
        time=get_time(data, "", "time"),
    )
