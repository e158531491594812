"""The shim's state in this process: one reader, one catalog, one ack.

Each model step calls `catalog`. A daemon thread calls it too, at least twice a second, so that the
sidecar gets its ack even if the agent is idle. Nothing here touches the agent framework.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from . import compat
from .ack import AckWriter
from .catalog import Catalog
from .contract import (
    PEER_PROBLEM_SENTENCES,
    Ack,
    AckState,
    AgentProblem,
    CallFailure,
    CallProblem,
    ConfigAck,
    Peer,
    PeerProblem,
    Refusal,
    clean_text,
)
from .fleet.background import in_background
from .fleet.declared import FLEET_TOOLS
from .problemlog import ProblemLog
from .reader import LARGE_FILE_BYTES, PeerReader, View
from .settings import Settings

if TYPE_CHECKING:
    from .feed.follower import Follower
    from .hot.follower import HotConfig

logger = logging.getLogger("hotpeers_shim")

CHECK_SECONDS = 0.5
"""How often the background thread checks the peer file."""
HOT_CHECK_SECONDS = 0.2
"""The same, if the shim also follows the agent's own configuration."""
HEARTBEAT_SECONDS = 15.0
"""How often an unchanged ack is rewritten, so that the sidecar knows that this process lives."""
MAX_REFUSALS = 100
"""The largest number of refusals in an ack."""


class Live:
    """The live peers of this process and their problems. Thread-safe; no method raises."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.on_change: list[Callable[[Catalog], None]] = []
        self.usable: Callable[[Peer], bool] = lambda _: True
        """Reports whether this process can call a peer. Set it before the first `catalog`."""
        self.hot = _hot_config(settings)
        """The agent's own configuration; None if the shim does not follow it."""
        self.config: Callable[[], ConfigAck | None] = _none if self.hot is None else self.hot.ack
        """Returns the state of the agent's own configuration, for the ack. It can be set at any time."""
        self._reader = PeerReader(settings.peer_file)
        self._lock = threading.RLock()
        self._view = View()
        self._catalog = Catalog()
        self._taken: dict[str, frozenset[str]] = {}
        self._skipped: dict[str, Refusal] = {}
        self._faults: dict[str, Refusal] = {}
        self._unfollowed: Refusal | None = None
        self._unusable: tuple[Peer, ...] = ()
        self._failures: dict[str, CallFailure] = {}
        self._calls = 0
        self._error = ""
        self._wake = threading.Event()
        self._stopped = False
        self._thread_pid = 0
        self._feed: Follower | None = None

    def catalog(self) -> Catalog:
        """Check the peer file (one `stat` if it is unchanged) and return the live catalog.

        Within an event loop, a large changed file is left to the background thread. `refresh` waits
        for it.
        """
        view = self._reader.current(self._is_later)
        if view is not self._view:
            self._apply(view)
        return self._catalog

    async def refresh(self) -> None:
        """Bring the catalog up to date. The event loop does not wait for a large file."""
        if self._reader.unread() > LARGE_FILE_BYTES:
            await in_background(self.catalog)

    def _is_later(self, size: int) -> bool:
        if size <= LARGE_FILE_BYTES or self._view.file is None or not _is_in_loop():
            return False
        self._wake.set()
        return True

    def _apply(self, view: View) -> None:
        with self._lock:
            if view is self._view:
                return
            try:
                self._take(view)
            finally:
                # Another thread that compares views must find this one only with its catalog.
                self._view = view
        self._wake.set()

    def _take(self, view: View) -> None:
        if view.file is not None and view.file is not self._view.file:
            can = [(peer, self.usable(peer)) for peer in view.file.peers]
            self._unusable = tuple(peer for peer, usable in can if not usable)
            left = tuple(peer for peer, usable in can if usable)
            self._catalog = self._catalog.advance(replace(view.file, peers=left))
            for name in self._failures.keys() - self._catalog.peers.keys():
                del self._failures[name]
            logger.info(
                "peer file generation %s is live: %d peers",
                self._catalog.generation,
                len(self._catalog.peers),
            )
            for notify in self.on_change:
                notify(self._catalog)
        if view.rejection is not None:
            # An agent may start before its first peer file exists.
            level = logging.WARNING if self._catalog.generation is not None else logging.INFO
            logger.log(
                level,
                "peer file refused, %d peers stay live: %s",
                len(self._catalog.peers),
                view.rejection,
            )

    def taken(self, agent: str) -> frozenset[str]:
        """The peers' tool names that `agent` already uses for its own tools."""
        return self._taken.get(agent, frozenset())

    def note_taken(self, agent: str, names: frozenset[str]) -> None:
        """Record the peers' tool names that `agent` uses for its own tools. Its own tools win."""
        if self._taken.get(agent, frozenset()) != names:
            self._taken[agent] = names
            self._wake.set()

    def note_skipped(
        self, agent: str, why: str, reason: PeerProblem = PeerProblem.AGENT_HAS_NO_TOOLS
    ) -> None:
        """Record why an agent gets no peers. An empty `why` means that it gets them (again)."""
        if not why:
            if self._skipped.pop(agent, None) is not None:
                self._wake.set()
            return
        refusal = Refusal(clean_text(agent, 253), reason, clean_text(why, 1000))
        if self._skipped.get(agent) != refusal:
            self._skipped[agent] = refusal
            logger.warning("agent %s is not given peers: %s", agent, why)
            self._wake.set()

    def note_failed(self, tool: str, problem: CallProblem, message: str) -> None:
        """Record a failed call of a peer, for the ack. The model can still call the peer."""
        self._calls += 1
        before = self._failures.get(tool)
        count = before.count + 1 if before is not None else 1
        if before is None and len(self._failures) >= MAX_REFUSALS:
            return
        self._failures[tool] = CallFailure(
            tool, problem.value, clean_text(message, 400), count, time.time()
        )
        self._wake.set()

    def note_called(self, tool: str) -> None:
        """Record that a peer answered a call, which clears its recorded failure."""
        self._calls += 1
        if self._failures.pop(tool, None) is not None:
            self._wake.set()

    def note_missing(self, feature: str, error: BaseException) -> None:
        """Record one feature that does not work with the installed libraries."""
        self._note(feature, PeerProblem.FEATURE_MISSING, error)

    def note_fault(self, tool: str, error: BaseException) -> None:
        """Record that a fault of the shim broke a call of a tool. The next good call clears it."""
        self._note(tool, PeerProblem.SHIM_FAULT, error)

    def clear_fault(self, tool: str) -> None:
        """Record that the shim handled a call of this tool without a fault."""
        if self._faults and self._faults.pop(tool, None) is not None:
            self._wake.set()

    def _note(self, subject: str, reason: PeerProblem, error: BaseException) -> None:
        refusal = Refusal(subject, reason, clean_text(f"{type(error).__name__}: {error}", 1000))
        if self._faults.get(subject) != refusal and len(self._faults) < MAX_REFUSALS:
            self._faults[subject] = refusal
            logger.error("%s: %s: %s", subject, reason, refusal.message, exc_info=error)
            self._wake.set()

    def note_feed(self, url: str, problem: str) -> None:
        """Record why the hub's list at `url` does not arrive. An empty `problem` means that it does."""
        before = self._unfollowed
        self._unfollowed = (
            Refusal(clean_text(url, 253), PeerProblem.HUB_NOT_FOLLOWED, clean_text(problem, 1000))
            if problem
            else None
        )
        if self._unfollowed != before:
            self._wake.set()

    def note_error(self, doing: str, error: BaseException) -> None:
        """Record that the shim failed. The agent continues as if it had no shim."""
        text = f"{doing}: {type(error).__name__}: {error}"
        if text != self._error:
            self._error = text
            logger.error("%s (the agent runs on without hot peers)", text, exc_info=error)
            self._wake.set()

    def ack(self) -> Ack:
        """The current ack, with its `time` not set."""
        view, catalog = self._view, self._catalog
        state, reason, message = AckState.ACTIVE, "", ""
        if self._error:
            state, reason = AckState.ERROR, AgentProblem.SHIM_FAILED.value
            message = clean_text(self._error, 1000)
        elif view.rejection is not None:
            state, reason = AckState.REFUSED, str(view.rejection.reason)
            message = clean_text(str(view.rejection), 1000)
        return Ack(
            pid=os.getpid(),
            state=state,
            generation=catalog.generation,
            digest=catalog.digest,
            reason=reason,
            message=message,
            refusals=tuple(self._refusals())[:MAX_REFUSALS],
            failures=tuple(self._failures.values()),
            config=self.config(),
            calls=self._calls,
            runtime=compat.versions(),
        )

    def _refusals(self) -> Iterator[Refusal]:
        if (unfollowed := self._unfollowed) is not None:
            yield unfollowed
        yield from list(self._skipped.values())
        yield from list(self._faults.values())
        for peer in self._unusable:
            offered = ", ".join(f"{i.binding} {i.protocolVersion}".strip() for i in peer.interfaces)
            sentence = PEER_PROBLEM_SENTENCES[PeerProblem.INTERFACE_UNSUPPORTED]
            message = clean_text(f"{sentence} It offers: {offered}", 400)
            yield Refusal(peer.toolName, PeerProblem.INTERFACE_UNSUPPORTED, message)
        for agent, names in list(self._taken.items()):
            for name in sorted(names):
                if name not in self._catalog.peers and name not in FLEET_TOOLS:
                    continue
                yield Refusal(
                    name,
                    PeerProblem.TOOL_NAME_TAKEN,
                    f"{PEER_PROBLEM_SENTENCES[PeerProblem.TOOL_NAME_TAKEN]} Agent: {agent[:253]}",
                )

    def start(self) -> None:
        """Start the background threads, once per process. A forked child needs its own."""
        with self._lock:
            if self._thread_pid == os.getpid():
                return
            self._thread_pid = os.getpid()
            if self.settings.peers_url:
                # The feed creates it too, and says what is wrong.
                with contextlib.suppress(OSError):
                    self.settings.peer_file.parent.mkdir(parents=True, exist_ok=True)
            thread = threading.Thread(target=self._run, name="hotpeers", daemon=True)
            thread.start()
            if self.settings.peers_url:
                from .feed.follower import Follower  # noqa: PLC0415 - only for an agent with a hub

                self._feed = Follower(self.settings, self._reader, self.catalog, self.note_feed)
                feed = threading.Thread(target=self._feed.run, name="hotpeers feed", daemon=True)
                feed.start()

    def stop(self) -> None:
        """End the background threads, and remove the ack. An agent's process never does this."""
        self._stopped = True
        if self._feed is not None:
            self._feed.stop()
        self._wake.set()

    def _run(self) -> None:
        writer = AckWriter(self.settings.ack_dir)
        atexit.register(writer.remove)
        written: Ack | None = None
        at, complained = 0.0, False
        problems = ProblemLog() if self.settings.peers_url else None
        while not self._stopped:
            try:
                self.catalog()
                self._look_at_configuration()
                ack = self.ack()
                if problems is not None:
                    problems.update(ack)
                # The number of calls alone is reported with the next heartbeat.
                same = written is not None and replace(ack, calls=written.calls) == written
                if not same or time.monotonic() - at > HEARTBEAT_SECONDS:
                    at = time.monotonic()
                    writer.write(replace(ack, time=time.time()))
                    written, complained = ack, False
            except Exception as error:  # noqa: BLE001 - the thread must outlive any fault
                if not complained:
                    logger.warning("ack not written to %s: %s", self.settings.ack_dir, error)
                complained = True
            self._wake.wait(CHECK_SECONDS if self.hot is None else HOT_CHECK_SECONDS)
            self._wake.clear()
        writer.remove()

    def _look_at_configuration(self) -> None:
        if self.hot is not None:
            with optional("hot configuration"):
                self.hot.look()


def _none() -> None:
    """There is no configuration to report."""


def _hot_config(settings: Settings) -> HotConfig | None:
    if settings.hot_config is None:
        return None
    from .hot.folder import Folder  # noqa: PLC0415 - only if the feature is switched on
    from .hot.follower import HotConfig  # noqa: PLC0415

    return HotConfig(
        Folder(settings.hot_config, pod_info=settings.pod_info, skills=settings.skills_config)
    )


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


_live: Live | None = None
_lock = threading.Lock()


def get() -> Live:
    """The one `Live` of this process. The first call creates it from the environment."""
    global _live  # noqa: PLW0603 - the process has one peer file
    if _live is None:
        with _lock:
            if _live is None:
                _live = Live(Settings.read())
    return _live


def start() -> None:
    """Start to follow the peer file and to write acks."""
    with guarded("starting"):
        get().start()


@contextlib.contextmanager
def guarded(doing: str) -> Iterator[None]:
    """Shield the agent from a fault of the shim. The fault goes to the log and into the ack."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the shim's first rule: fail open
        get().note_error(doing, error)


@contextlib.contextmanager
def optional(feature: str) -> Iterator[None]:
    """Contain a fault of an optional hook: the shim continues, and the ack names `feature`."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - see above
        get().note_missing(feature, error)
