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


class ConfigState(StrEnum):
    """What the shim has to say of the newest configuration of the agent that it saw."""

    LIVE = "live"
    """The next request to the agent has it."""
    REFUSED = "refused"
    """It is not valid, or cannot be followed here; what was live before still is."""
    RESTART = "restart"
    """The agent has to be started again for it."""


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill of a peer, as its agent card lists it."""

    id: str
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Interface:
    """One way to call a peer: an entry of `supportedInterfaces` of an A2A 1.x agent card.

    `binding` is `JSONRPC`, `HTTP+JSON` or `GRPC`. `protocolVersion` is the A2A version that is spoken
    there (`0.3`, `1.0`). `tenant` is sent along with each 1.x request where it is set. `streaming` is
    whether the peer answers with a stream of events.
    """

    url: str
    binding: str = "JSONRPC"
    protocolVersion: str = ""
    tenant: str = ""
    streaming: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """A sub-agent that the orchestrator may call over A2A.

    `url` is where its A2A server is; every address that its agent card names must have the same
    origin. `cardPath` is where that card is: below `url`, or with a leading slash below its origin
    ("" = the standard path below `url`). `timeout` bounds one call, in seconds (None = the reader's
    default). `fingerprint` changes when, and only when, the definition that an approval was given
    for changes (see `fingerprint_of`).

    `interfaces` are the ways to call it, the preferred one first. With them the reader fetches no
    agent card; without them (a file written by hand) it reads the card itself. `userHeaders` is
    whether the headers that identify the user (Authorization, x-user-id, lineage) may be sent to it.
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
    interfaces: tuple[Interface, ...] = ()
    userHeaders: bool = False


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
class CallFailure:
    """The calls of one peer that failed since the last one that did not.

    `subject` is the peer's tool name, `reason` a word of `CallProblem`. `count` is how many calls in
    a row failed, `time` when the last of them did, in seconds since the epoch.
    """

    subject: str
    reason: str
    message: str = ""
    count: int = 1
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class ConfigAck:
    """What one agent process has live of its own configuration, where that is followed.

    `digest` is the SHA-256 of the config.json that is live, in hexadecimal ("" where none is known).
    `hash` is kagent's config-hash (decimal) that the process has proven to run, "" where it has
    proven none. `seen` is the config-hash that the newest files stand for, whatever became of them, ""
    where it is unknown: a refusal is of what the controller wants only if it has that hash. `restart`
    names what cannot change without a restart. `time` is when this was first so, in seconds since the
    epoch.
    """

    state: ConfigState
    digest: str = ""
    hash: str = ""
    seen: str = ""
    reason: str = ""
    message: str = ""
    restart: tuple[str, ...] = ()
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Ack:
    """What one agent process has live.

    `generation` and `digest` name the live peer file (None and "" before the first). `state`,
    `reason` and `message` speak of the newest file seen. `config` is None where the agent's own
    configuration is not followed. `time` is in seconds since the epoch.
    """

    pid: int
    state: AckState
    generation: int | None = None
    digest: str = ""
    reason: str = ""
    message: str = ""
    refusals: tuple[Refusal, ...] = ()
    failures: tuple[CallFailure, ...] = ()
    config: ConfigAck | None = None
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
