"""Keeps the agent's folder up to date, and restarts the agent for a new configuration when it is idle."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hotpeers_shim.contract import ConfigAck, clean_text
from hotpeers_shim.contract.turns import Turns
from hotpeers_shim.hot.folder import Folder

from ..agent_config import CONFIG_FILE, Server
from ..bridge_turns import TABLES
from .decision import Decision, Request, Seen, Step, decide
from .files import Files, Version, digest_of, read_files, read_version, write_files
from .memory import MemoryFile
from .proof import Proofs, Proven
from .report import report
from .sign import Sign
from .sockets import listening_sockets
from .watch import Watch

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
ASKED_SECONDS = 0.1
"""The pause between looks while a restart is asked for: a turn that begins takes the request back.

Each look without a turn renews the request. The probe ignores one that is older than `SIGN_SECONDS`.
"""
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """The folders. `source` is kagent's volume, and `target` is where the agent reads.

    `restart` is shared with the agent's probe. `memory` is kept while the pod lives. `pod_info` has the
    pod's annotations, and `skills` is the configuration of the container that fetches skills.
    """

    source: Path
    target: Path
    restart: Path
    memory: Path
    pod_info: Path | None = None
    skills: Path | None = None


class Restarts:
    """The configuration of one agent. `ports` are those on which it listens.

    `clocks` are the monotonic one, and the one with seconds since the epoch.
    """

    def __init__(
        self,
        place: Place,
        servers: Sequence[Server],
        ports: Collection[int],
        *,
        tables: Iterable[Path] = TABLES,
        clocks: tuple[Callable[[], float], Callable[[], float]] = (time.monotonic, time.time),
    ) -> None:
        self._place = place
        self._servers = servers
        self._ports = ports
        self._tables = tuple(tables)
        self._clock, self._date = clocks
        self._sign = Sign(place.restart)
        self._file = MemoryFile(place.memory)
        self._memory = memory = self._file.load()
        self._is_new = not memory.began
        memory.began = memory.began or self._date()
        since = memory.process.since if memory.process is not None else memory.began
        self._watch = Watch(self._clock(), process=memory.process, since=since)
        self._proofs = Proofs(Folder(place.source, pod_info=place.pod_info, skills=place.skills))
        self._newest: Version | None = None
        self._wanted = ("", 0.0)
        self._idle: tuple[float | None, float] = (None, 0.0)
        self._folder = ""
        self._known: dict[str, Files] = {}
        self._unable = ""
        self._gave_up = ""
        self._problems: dict[str, str] = {}
        self._step: Step | None = None
        self._ack: ConfigAck | None = None

    def prepare(self) -> None:
        """Install the probe's program, and fill the agent's folder. Raises nothing."""
        if self._memory.request is None:
            with suppress(OSError):
                self._sign.remove()
        with suppress(OSError):
            self._note_folder(read_files(self._place.target))
            if self._is_new and self._folder:
                # An agent may have started with other files, before this sidecar or the state was lost.
                self._watch.note_files(_UNKNOWN)
        self.look(Turns(0))

    async def run(self, turns: Callable[[], Turns]) -> None:
        """Follow until cancelled. `turns` returns the turns of the agent."""
        while True:
            asked = self._memory.request is not None and self._sign.exists()
            await asyncio.sleep(ASKED_SECONDS if asked else LOOK_SECONDS)
            await asyncio.to_thread(self.look, turns())

    def ack(self) -> ConfigAck | None:
        """The state of the configuration, for the ack; None before the agent has started."""
        return self._ack

    def look(self, turns: Turns) -> None:
        """Look once, and act. Raises nothing."""
        try:
            self._look(turns)
        except Exception as error:  # noqa: BLE001 - the agent's configuration must be followed on
            self._note("state", _sentence(error))
        else:
            self._note("state", "")

    def _look(self, turns: Turns) -> None:
        now, memory = self._clock(), self._memory
        self._install()
        another = self._watch.see(listening_sockets(self._tables, self._ports), now, self._date())
        memory.process = self._watch.process
        if another:
            self._end_request()
        self._watch.note_files(self._folder)
        newest = self._read()
        if newest is None:
            return
        memory.skills = memory.skills or newest.skills
        proven = self._proofs.of(newest, memory.process)
        if self._wanted[0] != proven.wanted:
            self._wanted = (proven.wanted, now)
        seen = self._seen(newest, proven, turns, now)
        decision = self._act(decide(seen), seen)
        self._tell(decision, newest, proven)
        self._keep_good()
        self._file.save(memory)

    def _install(self) -> None:
        """Install the probe's program if it is missing. Without it, no restart is asked for."""
        try:
            self._sign.install()
            self._unable = ""
        except (OSError, KeyError) as error:
            self._unable = f"the program of the liveness probe is missing: {_sentence(error)}"
        self._note("probe", self._unable)

    def _read(self) -> Version | None:
        """The newest version, brought to the agent's folder. If that fails, the one before it."""
        problem = ""
        try:
            self._newest = read_version(self._place.source, self._servers, self._place.skills)
            self._fill(self._newest)
        except OSError as error:
            problem = _sentence(error)
        self._note("files", problem)
        return self._newest

    def _end_request(self) -> None:
        """Another process of the agent listens: a request has been fulfilled, or is out of date."""
        memory = self._memory
        if memory.request is None:
            return
        wanted, digest = memory.request.wanted, memory.process.digest if memory.process else ""
        # A process that has other files does not show whether the wanted ones can be made live.
        if not self._sign.remove() and digest in ("", wanted.partition(":")[0]):
            memory.tried = wanted
        memory.request = None

    def _fill(self, newest: Version) -> None:
        """Bring the agent's folder up to date, so that each start of the agent reads the newest files."""
        memory = self._memory
        self._known[newest.digest] = newest.files
        if memory.bad not in ("", newest.digest):
            memory.bad = ""
        # kagent itself says what is wrong with the first files.
        usable = not newest.fault or not (self._place.target / CONFIG_FILE).exists()
        if usable and newest.digest not in (self._folder, memory.bad):
            self._put(newest.files)

    def _put(self, files: Files) -> None:
        try:
            write_files(files, self._place.target)
        finally:
            self._note_folder(read_files(self._place.target))

    def _note_folder(self, files: Files) -> None:
        # No agent starts without a config.json.
        self._folder = digest_of(files) if CONFIG_FILE in files else ""
        self._known[self._folder] = files
        self._watch.note_files(self._folder)

    def _keep_good(self) -> None:
        memory, process = self._memory, self._watch.process
        digest = process.digest if process is not None and self._watch.steady else ""
        if digest and digest != memory.good and digest in self._known:
            # Until both are written, no files count as good.
            memory.good = ""
            self._file.save(memory)
            self._file.save_good(self._known[digest])
            memory.good = digest
        newest = self._newest.digest if self._newest is not None else ""
        kept = {self._folder, newest, process.digest if process is not None else ""}
        self._known = {name: files for name, files in self._known.items() if name in kept}

    def _seen(self, newest: Version, proven: Proven, turns: Turns, now: float) -> Seen:
        memory, watch = self._memory, self._watch
        return Seen(
            now=now,
            newest=newest.digest,
            folder=self._folder,
            running=memory.process.digest if memory.process is not None else "",
            good=memory.good,
            bad=memory.bad,
            valid=not newest.fault,
            wanted=proven.wanted,
            age=now - self._wanted[1],
            proven=not proven.rotated,
            skills_changed=memory.skills != newest.skills,
            listening=watch.listening,
            steady=watch.steady,
            unsteady=watch.unsteady(now),
            restarted=memory.process.restarted if memory.process is not None else 0.0,
            idle=self._idle_for(turns, now),
            request=memory.request,
            sign=self._sign.exists(),
            tried=memory.tried,
        )

    def _idle_for(self, turns: Turns, now: float) -> float | None:
        """Seconds without a turn, by the monotonic clock; None while one runs."""
        busy = turns.idleSince is None or turns.active or turns.draining
        if busy or turns.idleSince != self._idle[0]:
            self._idle = (None if busy else turns.idleSince, now)
        return None if busy else now - self._idle[1]

    def _act(self, decision: Decision, seen: Seen) -> Decision:
        memory = self._memory
        match decision.step:
            case Step.ASK if self._unable:
                return Decision(Step.NEEDS_POD, self._unable)
            case Step.ASK:
                # Remember the request before it is made: a crash in between must not repeat it.
                memory.request = Request(seen.wanted, seen.now)
                try:
                    self._file.save(memory)
                    self._sign.make()
                except OSError:
                    memory.request = None
                    raise
                logger.info("a restart of the agent is asked for: its configuration has changed")
            case Step.ASKED if seen.sign:
                self._sign.renew()
            case Step.WITHDRAW if self._sign.remove():
                memory.request = None
            case Step.GIVE_UP if memory.request is not None:
                self._sign.remove()
                memory.tried, memory.request = memory.request.wanted, None
                self._gave_up = decision.why
            case Step.ROLL_BACK:
                memory.bad = self._folder
                memory.tried = memory.request.wanted if memory.request else memory.tried
                memory.request = None
                memory.good = ""
                files = self._file.load_good()
                if CONFIG_FILE in files:
                    self._put(files)
            case Step.NEEDS_POD if self._gave_up and memory.tried == seen.wanted:
                return Decision(Step.NEEDS_POD, self._gave_up)
        return decision

    def _tell(self, decision: Decision, newest: Version, proven: Proven) -> None:
        memory = self._memory
        if decision.step is Step.LIVE:
            memory.config = newest.content.digest
            if memory.tried == proven.wanted:
                memory.tried = ""
        if decision.step is not self._step:
            extra = {"digest": newest.content.digest, "step": decision.step.value}
            logger.info("configuration of the agent: %s", decision.step.value, extra=extra)
            self._step = decision.step
        if memory.process is None:
            return
        ack = report(decision, newest, proven, memory.config)
        if self._ack is None or replace(self._ack, time=0.0) != ack:
            self._ack = replace(ack, time=self._date())

    def _note(self, subject: str, problem: str) -> None:
        if problem and problem != self._problems.get(subject):
            logger.warning("configuration of the agent: %s", problem)
        self._problems[subject] = problem


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return clean_text(
            f"{error.filename}: {error.strerror}" if error.filename else error.strerror, 400
        )
    return clean_text(f"{type(error).__name__}: {error}", 400)
