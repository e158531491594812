"""Combines the events of one exchange, in the order of their arrival."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .parsing import Chunk, Event, Message, Snapshot, Status
from .values import Artifact, Part, Reply, State, Text

MAX_HISTORY = 1_000
"""The largest number of messages kept of a task's history: older ones only report old progress."""


@dataclass
class _Growing:
    """An artifact whose chunks are still arriving. Its texts are joined once, at the end."""

    name: str = ""
    parts: list[Part] = field(default_factory=list)


class Transcript:
    """The events of a peer in one exchange so far.

    A chunk with `append` is added to its artifact, even if it is the first one. Any other chunk
    replaces the artifact. A snapshot replaces each artifact that it contains. Other artifacts are
    kept, because servers send snapshots without artifacts between chunks.
    """

    def __init__(self) -> None:
        self.task_id = ""
        self.context_id = ""
        self.status: dict[str, Any] = {}
        """The JSON of the newest status, for a framework that reads its own parts in it."""
        self.metadata: dict[str, Any] = {}
        self._state: State | None = None
        self._artifacts: dict[str, _Growing] = {}
        self._message: Message | None = None
        self._said: list[Message] = []
        self._history: list[Message] = []
        self._missing = False

    @property
    def state(self) -> State:
        """The state of the task. A message instead of a task means a completed exchange."""
        if self._state is not None:
            return self._state
        return State.COMPLETED if self._said else State.WORKING

    @property
    def is_empty(self) -> bool:
        """Whether no status, message or artifact has arrived."""
        return self._state is None and not self._said and not self._artifacts

    def add(self, event: Event | None) -> None:
        """Add one event. None is ignored."""
        match event:
            case Message():
                self.note_ids(event.task_id, event.context_id)
                self._said.append(event)
            case Chunk():
                self.note_ids(event.task_id, event.context_id)
                self._add_chunk(event)
            case Status():
                self._add_status(event)
            case Snapshot():
                if event.history:
                    self._history, self._message = list(event.history), None
                for chunk in event.artifacts:
                    self._add_chunk(chunk)
                self._add_status(event.status)

    def note_ids(self, task_id: str, context_id: str) -> None:
        """Record the ids of the exchange. An empty id changes nothing."""
        self.task_id = task_id or self.task_id
        self.context_id = context_id or self.context_id

    @property
    def has_gap(self) -> bool:
        """Whether the connection broke and the whole task has not been read since."""
        return self._missing

    def note_gap(self) -> None:
        """Record that the connection broke, so that events may be missing."""
        self._missing = True

    def note_whole(self) -> None:
        """Record that the whole task was read, so that no events are missing."""
        self._missing = False

    def reply(self) -> Reply:
        """The reply so far."""
        status = self._message.parts if self._message else ()
        said = tuple(part for message in self._said for part in message.parts)
        return Reply(
            state=self.state,
            artifacts=tuple(
                Artifact(tuple(_joined(growing.parts)), growing.name)
                for growing in self._artifacts.values()
                if growing.parts
            ),
            message=status + said,
            history=self._since_the_caller(),
            task_id=self.task_id,
            context_id=self.context_id,
            incomplete=self._missing,
        )

    def _add_chunk(self, chunk: Chunk) -> None:
        growing = self._artifacts.setdefault(chunk.artifact_id, _Growing())
        growing.name = chunk.name or growing.name
        if not chunk.append:
            growing.parts.clear()
        growing.parts.extend(chunk.parts)

    def _add_status(self, status: Status) -> None:
        self.note_ids(status.task_id, status.context_id)
        if self._message is not None and self._message.parts:
            self._history.append(self._message)
            del self._history[:-MAX_HISTORY]
        self._state, self._message = status.state, status.message
        self.status = status.raw
        self.metadata.update(status.metadata)

    def _since_the_caller(self) -> tuple[tuple[Part, ...], ...]:
        last = max((i for i, message in enumerate(self._history) if message.user), default=-1)
        return tuple(message.parts for message in self._history[last + 1 :] if message.parts)


def _joined(parts: Iterable[Part]) -> list[Part]:
    """The parts, with consecutive texts joined into one text without a separator."""
    joined: list[Part] = []
    run: list[str] = []
    for part in parts:
        if isinstance(part, Text):
            run.append(part.text)
            continue
        if run:
            joined.append(Text("".join(run)))
            run = []
        joined.append(part)
    if run:
        joined.append(Text("".join(run)))
    return joined
