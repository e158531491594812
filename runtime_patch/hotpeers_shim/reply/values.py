"""The values of a reply: parts, artifacts, and the whole task or message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """The states of an A2A task that matter to a caller."""

    WORKING = "working"
    """The task is not over. Includes submitted, unknown, and any state of a later protocol."""
    COMPLETED = "completed"
    INPUT_REQUIRED = "input-required"
    AUTH_REQUIRED = "auth-required"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"

    @property
    def waits(self) -> bool:
        """Whether the task waits for the caller's next message."""
        return self in (State.INPUT_REQUIRED, State.AUTH_REQUIRED)


@dataclass(frozen=True, slots=True)
class Text:
    """A text, exactly as it was sent."""

    text: str


@dataclass(frozen=True, slots=True)
class Data:
    """A JSON value."""

    value: Any


@dataclass(frozen=True, slots=True)
class File:
    """A file, either by `url` or with its `content`. All fields but one of these may be missing."""

    name: str = ""
    media_type: str = ""
    url: str = ""
    content: bytes | None = None


Part = Text | Data | File


@dataclass(frozen=True, slots=True)
class Artifact:
    """One result of a task. Consecutive texts are joined: an agent may send a text in chunks."""

    parts: tuple[Part, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, which may not be complete.

    `message` is the message in the status of the task, or a message that was sent instead of a
    task. `history` is the agent's messages since the caller's last one. `task_id` and `context_id`
    are "" if the peer has sent none. `incomplete` is true if a connection broke and the missed
    events could not be read.
    """

    state: State = State.WORKING
    artifacts: tuple[Artifact, ...] = ()
    message: tuple[Part, ...] = ()
    history: tuple[tuple[Part, ...], ...] = ()
    task_id: str = ""
    context_id: str = ""
    incomplete: bool = False
