"""The values in the peer file and the ack file, as frozen dataclasses.

The field names are those of the files, so one definition serves writing, reading and validation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .limits import API_VERSION
from .reasons import Nack


class AckState(StrEnum):
    """The result for the newest peer file that the shim has seen."""

    ACTIVE = "active"
    """The newest file is live."""
    REFUSED = "refused"
    """The newest file was refused. The previous file stays live."""
    ERROR = "error"
    """The shim failed. The agent runs as if it had no shim."""


class ConfigState(StrEnum):
    """The result for the newest configuration of the agent that the shim has seen."""

    LIVE = "live"
    """The next request to the agent uses it."""
    REFUSED = "refused"
    """It is invalid, or cannot be followed here. The previous configuration stays live."""
    RESTART = "restart"
    """It needs a restart of the agent."""
    WAITING = "waiting"
    """The sidecar restarts the agent's container with it, as soon as the agent is idle."""


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill of a peer, from its agent card."""

    id: str
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Interface:
    """One way to call a peer: an entry of `supportedInterfaces` of an A2A 1.x agent card.

    `binding` is `JSONRPC`, `HTTP+JSON` or `GRPC`. `protocolVersion` is the A2A version of the
    interface (`0.3`, `1.0`). `tenant`, if set, is sent with each 1.x request. `streaming` is
    whether the peer can answer with a stream of events.
    """

    url: str
    binding: str = "JSONRPC"
    protocolVersion: str = ""
    tenant: str = ""
    streaming: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """A sub-agent that the orchestrator may call over A2A.

    `url` is the address of its A2A server. All addresses in its agent card must have the same
    origin. `cardPath` is the path of that card: below `url`, or below its origin if it begins with
    a slash ("" = the standard path below `url`). `timeout` limits one call, in seconds (None = the
    reader's default). `fingerprint` changes exactly when a field changes that an approval is bound
    to (see `fingerprint_of`).

    `interfaces` are the ways to call the peer, the preferred one first. If the list is empty, as in
    a file that is written by hand, the reader fetches the agent card. `userHeaders` is whether the
    peer may get the headers that identify the user (Authorization, x-user-id, lineage).
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
    """The whole list of peers. `generation` increases by one with each change of the file."""

    generation: int
    peers: tuple[Peer, ...] = ()
    orchestrator: str = ""
    digest: str = ""
    apiVersion: str = API_VERSION


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of an accepted file that the shim does not use: a peer's tool, or an agent."""

    subject: str
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class CallFailure:
    """The failed calls of one peer since its last successful call.

    `subject` is the peer's tool name and `reason` a word of `CallProblem`. `count` is the number of
    failures in a row. `time` is that of the last failure, in seconds since the epoch.
    """

    subject: str
    reason: str
    message: str = ""
    count: int = 1
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class ConfigAck:
    """The live configuration of one agent process, if the shim follows it.

    `digest` is the SHA-256 of the live config.json, in hexadecimal ("" if unknown). `hash` is
    kagent's config-hash (decimal) that the process is proven to run, or "" without a proof. `seen`
    is the config-hash of the newest files, even if they were refused, or "" if it is unknown. It
    shows whether a refusal is about the configuration that the controller wants. `restart` names
    the changes that need a restart. `time` is when this state began, in seconds since the epoch.
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
    """The report of one agent process.

    `generation` and `digest` identify the live peer file (None and "" before the first one).
    `state`, `reason` and `message` are about the newest file. `config` is None if the agent's own
    configuration is not followed. `calls` is the number of calls of peers that have ended since the
    process started. `time` is in seconds since the epoch.
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
    calls: int = 0
    runtime: dict[str, str] = field(default_factory=dict)
    time: float = 0.0
    apiVersion: str = API_VERSION


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a file is invalid: the reason, the path of the field (or "") and a one-line message."""

    reason: Nack
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.reason}: {where}{self.message}"
