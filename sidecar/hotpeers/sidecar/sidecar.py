"""The sidecar: writes the candidates of a source into the peer file, and reports on it."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import TYPE_CHECKING

from ..base.backoff import Backoff
from ..base.http import serve
from ..base.memory import settle
from ..base.problems import Problem, log_problems
from ..base.signals import raise_at_signal
from ..model.snapshot import CardKey, Snapshot
from .acks.failures import new_failures
from .acks.lateness import Lateness
from .acks.reader import AckReader, Acks
from .acks.turns import TurnsReader
from .cards.reader import CardReader
from .cards.signature import SignatureCheck
from .credentials.keeper import CredentialKeeper
from .drain import Drain
from .peerfile.lock import locked
from .peerfile.writer import (
    Projection,
    ProjectionError,
    Projector,
    check_writable,
    remove_leftovers,
)
from .reasons import SidecarReason
from .resolve.cache import Cache
from .resolve.changes import new_refusals, peer_changes
from .resolve.eligibility import Refused, Rules
from .resolve.resolver import resolve
from .resolve.rows import Resolution
from .settings import Settings
from .shim.absence import Absence
from .shim.silence import Silence
from .sources import Source
from .status.app import make_app
from .status.document import Status
from .status.metrics import Metrics, log_configs, log_peers, log_refused, new_nacks
from .status.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from .status.events import Feedback
    from .status.orchestrator import OrchestratorWriter

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_CARDS_WAIT, _CARDS_WAIT_LONGEST = 0.002, 5.0
_FIRST_RETRY, _LONGEST_RETRY = 0.2, 10.0
_FAST = 0.01


class Sidecar:
    """One running sidecar: the newest snapshot, cards and acks, and the tasks that update them."""

    def __init__(  # noqa: PLR0913 - what it wires
        self,
        settings: Settings,
        source: Source,
        metrics: Metrics,
        *,
        rules: Rules,
        origin: str,
        feedback: Feedback | None = None,
        make_writer: Callable[[Callable[[], Status]], OrchestratorWriter] | None = None,
    ) -> None:
        """`make_writer` makes what writes the status of an Orchestrator; None: nothing does."""
        self._feedback = feedback
        self._writer = make_writer(self.status) if make_writer is not None else None
        self._settings = settings
        self._source = source
        self._rules = rules
        self._origin = origin
        self._projector = Projector(settings.peer_file, settings.orchestrator)
        self._acks = AckReader(settings.ack_dir)
        self._heard = self._acks.read()
        turns = TurnsReader(settings.ack_dir)
        self._drain = Drain(settings.peer_file.parent, turns, settings.drain_seconds)
        self._dirty = asyncio.Event()
        self._credentials = CredentialKeeper(
            settings.credentials, settings.peer_file, self._tell_problems
        )
        keys = settings.require_signed
        self._cards = CardReader(
            self._note_card,
            max_bytes=settings.max_card_bytes,
            check=SignatureCheck(keys) if keys is not None else None,
            access=self._credentials.access,
        )
        self._cards_due: asyncio.TimerHandle | None = None
        self._cost = 0.0
        self._last_write = math.inf
        self._followed: frozenset[CardKey] = frozenset()
        self._metrics = metrics
        self._snapshot: Snapshot | None = None
        self._refused: tuple[Refused, ...] = ()
        self._problems: tuple[Problem, ...] = ()
        self._failure: Problem | None = None
        self._absence = Absence(settings.shim_dir)
        self._silence = Silence(settings.agent_ports, expected=settings.shim_dir is not None)
        self._lateness = Lateness()
        self._told: object = None
        self._changed_at: float | None = None
        self._told_unwritten: Problem | None = None
        self._ready = False
        self._settled = False
        self._events: dict[int, float] = {}
        self._timeline = Timeline(settings.replica)
        self._cache = Cache()

    async def run(self) -> None:
        """Run until a signal arrives, which raises `Stop`.

        Raises `PeerFileError` if the peer file cannot be written, and `PeerFileTakenError` if another
        process writes it.
        """
        check_writable(self._settings.peer_file)
        with locked(self._settings.peer_file):
            await self._run()

    async def _run(self) -> None:
        remove_leftovers(self._settings.peer_file)
        if self._projector.rejection is not None:
            logger.warning(
                "%s is replaced: %s", self._settings.peer_file, self._projector.rejection
            )
        async with AsyncExitStack() as stack:
            if self._settings.listen is not None:
                hosts = self._settings.allowed_hosts
                app = make_app(self.status, self._metrics, hosts, self._drain)
                port = await stack.enter_async_context(serve(app, self._settings.listen))
                logger.info("serving HTTP on port %d", port, extra={"port": port})
            await stack.enter_async_context(self._cards)
            async with asyncio.TaskGroup() as group:
                group.create_task(raise_at_signal(), name="signals")
                group.create_task(self._follow_source(), name="source")
                group.create_task(self._follow_acks(), name="acks")
                group.create_task(self._keep_projecting(), name="project")
                group.create_task(self._look_after(), name="look after")
                group.create_task(self._credentials.run(), name="credentials")
                if self._feedback is not None:
                    group.create_task(self._feedback.run(), name="feedback")
                if self._writer is not None:
                    group.create_task(self._writer.run(), name="write status")

    def status(self) -> Status:
        """The current status."""
        return Status(
            source=self._origin,
            scopes=self._source.scopes(),
            peer_file=str(self._settings.peer_file),
            orchestrator=self._settings.orchestrator,
            ready=self._ready,
            complete=self._snapshot is not None and self._snapshot.complete,
            generation=self._projector.generation,
            digest=self._projector.digest,
            peers=self._projector.peers,
            refused=self._refused,
            problems=self._problems,
            acks=self._heard,
            turns=self._drain.activity(),
            changes=self._timeline.changes,
        )

    async def _follow_source(self) -> None:
        async with aclosing(self._source.snapshots()) as snapshots:
            async for snapshot in snapshots:
                self._snapshot = snapshot
                self._note_change(snapshot.seen)

    async def _follow_acks(self) -> None:
        async with aclosing(self._acks.changes()) as changes:
            # Start from empty acks, so that acks from before this start are reported too.
            told = Acks()
            async for acks in changes:
                nacks = new_nacks(told, acks)
                for nack in nacks:
                    self._metrics.nacked(nack.reason)
                if self._feedback is not None:
                    self._feedback.nacked(nacks)
                failures = new_failures(told, acks)
                if self._feedback is not None:
                    self._feedback.failing(failures)
                log_configs(told, acks, self._metrics)
                names = {f"ack-{ack.pid}.json" for ack in acks.acks}
                log_problems(told.problems, acks.problems, lambda one: one.where in names)  # noqa: B023
                self._heard = told = acks
                self._credentials.note_users(acks.users)
                self._note_acked()

    def _note_change(self, seen: float) -> None:
        """Have the peer file brought up to date, after a change at the monotonic time `seen`."""
        self._changed_at = seen if self._changed_at is None else min(self._changed_at, seen)
        self._dirty.set()

    async def _keep_projecting(self) -> None:
        backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY)
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            if self._snapshot is None:
                continue
            if await self._project(self._snapshot):
                backoff.reset()
            else:
                asyncio.get_running_loop().call_later(backoff.next(), self._dirty.set)

    async def _look_after(self) -> None:
        """Each second, check the shim, and rewrite the peer file if it was removed or replaced."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._unwritten is not self._told_unwritten:
                self._told_unwritten = self._unwritten
                self._tell_problems()
            if self._absence.changes():
                self._tell_without_shim(self._absence.problem)
            if self._silence.changes(heard=bool(self._heard.acks)):
                self._tell_without_shim(self._silence.problem)
            late = self._lateness.look(self._projector.generation, self._heard)
            if late:
                logger.warning("%s", late)
                if self._feedback is not None:
                    self._feedback.late(late)
            if self._ready and not self._settled and self._cards.tried:
                # Each card was tried once, and cards are most of the data: settle again.
                self._settled = True
                settle()
            if self._ready and not self._projector.intact:
                self._dirty.set()

    def _tell_without_shim(self, problem: Problem | None) -> None:
        self._tell_problems()
        if self._feedback is not None and problem is not None:
            self._feedback.without_shim(problem)

    async def _project(self, snapshot: Snapshot) -> bool:
        begun = time.monotonic()
        since = begun if self._changed_at is None else self._changed_at
        self._changed_at = None
        before = self._projector.peers
        resolution = resolve(snapshot, self._cards.states, self._rules, before, self._cache)
        written = await self._write(snapshot, resolution, since)
        if not written:
            self._changed_at = since
        # The rest comes after the write, because the agent waits only for the file.
        # Test the identity first: comparing two equal sets of thousands of keys is slow.
        if resolution.cards is not self._followed and resolution.cards != self._followed:
            self._followed = resolution.cards
            self._cards.follow(resolution.cards)
        if resolution.refused != self._refused:
            self._tell_refused(resolution.refused)
        self._tell_problems()
        if written and self._projector.peers is not before:
            changes = peer_changes(before, self._projector.peers)
            log_peers(changes, self._projector.generation)
            self._timeline.note(changes, self._projector.generation)
            if self._feedback is not None:
                self._feedback.peers(changes)
        # A fast agent may have written its ack already.
        self._note_acked()
        self._cost = time.monotonic() - begun
        return written

    def _note_card(self) -> None:
        """Schedule a projection after a card has changed.

        Debounce: cards arrive in bursts. The wait grows with the cost of the last projection.
        """
        if self._cards_due is None:
            now = time.monotonic()
            wait = min(max(_CARDS_WAIT, 10 * self._cost), _CARDS_WAIT_LONGEST)
            self._cards_due = asyncio.get_running_loop().call_later(wait, self._take_cards, now)

    def _take_cards(self, seen: float) -> None:
        self._cards_due = None
        self._note_change(seen)

    async def _write(self, snapshot: Snapshot, resolution: Resolution, since: float) -> bool:
        """Bring the peer file up to date. Returns False if that failed and has to be retried.

        `since` is the monotonic time of the change that it brings.
        """
        if not snapshot.complete:
            # The source has not listed everything yet: keep the file that was found at the start.
            return True
        try:
            projection = await self._bring(resolution)
        except ProjectionError as error:
            self._metrics.projection_failed()
            self._failure = Problem(
                str(self._settings.peer_file), SidecarReason.PROJECTION_FAILED, str(error)
            )
            return False
        self._failure = None
        if not self._ready:
            self._ready = True
            settle()
        if projection.written:
            self._metrics.projected(time.monotonic() - since)
            if self._heard.acks:
                # Measure only while an agent runs: otherwise the time would include the wait for
                # an agent to start.
                self._events[projection.generation] = since
            logger.info(
                "generation %d written: %d peers",
                projection.generation,
                len(projection.peers),
                extra={"generation": projection.generation, "peers": len(projection.peers)},
            )
        return True

    async def _bring(self, resolution: Resolution) -> Projection:
        """Project in a thread, or directly if the last write was fast.

        A thread costs a quarter of a millisecond, as much as the rest of the work for one event.
        """
        project = partial(self._projector.project, resolution.peers, acked=self._heard.largest)
        begun = time.monotonic()
        try:
            return project() if self._last_write < _FAST else await asyncio.to_thread(project)
        finally:
            self._last_write = time.monotonic() - begun

    def _note_acked(self) -> None:
        """Record the reload time of each change that is now live in every agent process."""
        live = self._heard.generation or 0
        for generation in [number for number in self._events if number <= live]:
            seconds = time.monotonic() - self._events.pop(generation)
            self._metrics.reloaded(seconds)
            self._timeline.live(generation, seconds)
        while len(self._events) > 1000:
            self._events.pop(next(iter(self._events)))

    def _tell_refused(self, refused: tuple[Refused, ...]) -> None:
        fresh = new_refusals(self._refused, refused)
        self._refused = refused
        log_refused(fresh)
        if self._feedback is not None:
            self._feedback.refused(fresh)

    def _is_there(self, problem: Problem) -> bool:
        """Whether the object, file or URL that a problem is about still exists."""
        where = problem.where
        if problem.reason is SidecarReason.TOKEN_UNAVAILABLE or where.startswith("/"):
            # The problem is about the operator's settings, which last as long as this process.
            return True
        if "://" in where:
            return any(url == where for url, _ in self._followed)
        snapshot = self._snapshot or Snapshot()
        if self._settings.peers_dir is not None and self._settings.source == "directory":
            return os.path.lexists(self._settings.peers_dir / where)
        is_object = where.startswith(("Agent/", "Peer/", "Service/"))
        return not is_object or any(one.source == where for one in snapshot.candidates)

    @property
    def _unwritten(self) -> Problem | None:
        """Why the status of the Orchestrator cannot be written; None while it can."""
        return self._writer.problem if self._writer is not None else None

    def _tell_problems(self) -> None:
        found = self._snapshot.problems if self._snapshot else ()
        credentials = self._credentials.problems
        own = [
            problem
            for problem in (
                self._failure,
                self._absence.problem,
                self._silence.problem,
                self._unwritten,
            )
            if problem is not None
        ]
        told = (found, self._cards.problems, credentials, own)
        if told == self._told:
            return
        self._told = told
        problems = (*found, *self._cards.problems, *credentials, *own)
        log_problems(self._problems, problems, self._is_there)
        self._problems = problems
