"""Observes a call: its span, and its line in the audit log. Both are off by default."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ..contract import Peer, PeerProblem
from ..lineage import Link
from ..reply import Transcript
from ..settings import Settings
from . import audit, trace
from .failure import CallFailed


class Outcome(StrEnum):
    """How a call ended, for its caller."""

    ANSWERED = "answered"
    FAILED = "failed"
    REFUSED = "refused"
    """Nothing was sent."""
    CANCELLED = "cancelled"
    """The caller gave it up, and the peer was asked to cancel its task."""
    LEFT = "left"
    """The caller stopped waiting, and the peer goes on."""


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a call is made.

    `orchestrator` is `namespace/name`, and `user` is the user as the orchestrator knows it; "" if it
    is unknown. Neither is verified here. `came_with` is the trace context of the request that the
    orchestrator works on.
    """

    orchestrator: str = ""
    user: str = ""
    came_with: Mapping[str, str] = field(default_factory=dict)


class Observable(Protocol):
    """What `observed` reads of a call (`call.Call`)."""

    @property
    def settings(self) -> Settings:
        """Whether calls are traced, and whether they are logged."""
        ...

    @property
    def peer(self) -> Peer:
        """The peer that is called."""
        ...

    @property
    def caller(self) -> Caller:
        """On whose behalf."""
        ...

    @property
    def link(self) -> Link | None:
        """The chain of orchestrators that led to the call; None if it is unknown."""
        ...

    @property
    def transcript(self) -> Transcript:
        """What the peer has sent so far."""
        ...

    @property
    def cancels(self) -> bool:
        """Whether the peer's task is cancelled when the call is."""
        ...


@contextmanager
def observed(call: Observable, operation: str) -> Iterator[Mapping[str, str]]:
    """Observe the block, which makes one call. Yields the headers with the trace context."""
    settings, caller, link = call.settings, call.caller, call.link
    if not (settings.audit or settings.traces):
        yield trace.NOTHING
        return
    began = time.monotonic()
    orchestrator = caller.orchestrator or (link.name if link is not None else "")
    span = trace.begin(call.peer, orchestrator, caller.came_with) if settings.traces else None
    # Any exception that is not caught below is a fault of ours.
    outcome, reason = Outcome.FAILED, PeerProblem.SHIM_FAULT.value
    try:
        yield span.headers if span is not None else trace.NOTHING
        outcome, reason = Outcome.ANSWERED, ""
    except CallFailed as failure:
        outcome = Outcome.REFUSED if failure.unsent else Outcome.FAILED
        reason = failure.problem.value
        raise
    except asyncio.CancelledError:
        outcome, reason = (Outcome.CANCELLED if call.cancels else Outcome.LEFT), ""
        raise
    finally:
        transcript = call.transcript
        # Before the first event, the state of a transcript says nothing about the peer.
        state = "" if transcript.is_empty else transcript.state.value
        if span is not None:
            span.end(outcome.value, state, reason)
        if settings.audit:
            audit.write(
                call.peer,
                orchestrator=orchestrator,
                user=caller.user,
                via=link.lineage.names if link is not None else (),
                operation=operation,
                seconds=time.monotonic() - began,
                outcome=outcome.value,
                state=state,
                reason=reason,
                task=transcript.task_id,
                context=transcript.context_id,
                trace=span.trace_id if span is not None else "",
            )
