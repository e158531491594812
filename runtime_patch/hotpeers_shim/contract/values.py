"""The values that the two files carry, as frozen dataclasses.

Field names are those of the files, so that one definition serves writing, reading and validation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .limits import API_VERSION
from .reasons import Nack


class AckState(StrEnum):
    """What the shim has to say of the newest file that it saw."""

    ACTIVE = "active"
    """The newest file is live."""
    REFUSED = "refused"
    """The newest file was refused; what was live before still is."""
    ERROR = "error"
    """The shim could not do its work; the agent runs as without it."""


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill of a peer, as its agent card lists it."""

    id: str
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Peer:
    """A sub-agent that the orchestrator may call over A2A.

    `url` is where its A2A server is; every address that its agent card names must have the same
    origin. `cardPath` is where that card is: below `url`, or with a leading slash below its origin
    ("" = the standard path below `url`). `timeout` bounds one call, in seconds (None = the reader's
    default). `fingerprint` changes when, and only when, the definition that an approval was given
    for changes (see `fingerprint_of`).
    """

    name: str
    url: str
    toolName: str
    namespace: str = ""
    uid: str = ""
    description: str = ""
    skills: tuple[Skill, ...] = ()
    ready: bool = True
    fingerprint: str = ""
    source: str = ""
    cardPath: str = ""
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class PeerFile:
    """The whole projected list. `generation` grows by one with each change of the file."""

    generation: int
    peers: tuple[Peer, ...] = ()
    orchestrator: str = ""
    digest: str = ""
    apiVersion: str = API_VERSION


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that the shim left out of an accepted file: a peer's tool, or an agent."""

    subject: str
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Ack:
    """What one agent process has live.

    `generation` and `digest` name the live peer file (None and "" before the first). `state`,
    `reason` and `message` speak of the newest file seen. `time` is in seconds since the epoch.
    """

    pid: int
    state: AckState
    generation: int | None = None
    digest: str = ""
    reason: str = ""
    message: str = ""
    refusals: tuple[Refusal, ...] = ()
    runtime: dict[str, str] = field(default_factory=dict)
    time: float = 0.0
    apiVersion: str = API_VERSION


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why some bytes are not a file of ours: the reason, the field (or "") and one clear line."""

    reason: Nack
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.reason}: {where}{self.message}"
