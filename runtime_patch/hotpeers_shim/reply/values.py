"""The values that a reply is made of: parts, artifacts, and a task or a message as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """The states of an A2A task that a caller must tell apart."""

    WORKING = "working"
    """Also submitted, unknown, and any state of a later protocol: the task is not over."""
    COMPLETED = "completed"
    INPUT_REQUIRED = "input-required"
    AUTH_REQUIRED = "auth-required"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"

    @property
    def waits(self) -> bool:
        """Whether the task goes on with the caller's next message."""
        return self in (State.INPUT_REQUIRED, State.AUTH_REQUIRED)


@dataclass(frozen=True, slots=True)
class Text:
    """Text, as it was sent."""

    text: str


@dataclass(frozen=True, slots=True)
class Data:
    """A JSON value."""

    value: Any


@dataclass(frozen=True, slots=True)
class File:
    """A file: `url` says where it is, or `content` is what it holds. All but one may be missing."""

    name: str = ""
    media_type: str = ""
    url: str = ""
    content: bytes | None = None


Part = Text | Data | File


@dataclass(frozen=True, slots=True)
class Artifact:
    """One result of a task. Its consecutive texts are one text: chunks are sent as they come."""

    parts: tuple[Part, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as far as it has come.

    `message` is what the status of the task says, or a message that was sent in place of a task.
    `history` are the agent's messages since the caller's last one. `task_id` and `context_id` are
    "" where the peer named none. `incomplete` is true where a connection broke and what was said in
    between could not be read.
    """

    state: State = State.WORKING
    artifacts: tuple[Artifact, ...] = ()
    message: tuple[Part, ...] = ()
    history: tuple[tuple[Part, ...], ...] = ()
    task_id: str = ""
    context_id: str = ""
    incomplete: bool = False
