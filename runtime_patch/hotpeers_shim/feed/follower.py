"""The thread that follows the feed: asks, judges the answer, writes the file, and waits."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable

from ..contract import PeerFile, clean_text
from ..contract.feed import etag_of, is_etag, wait_header
from ..reader import PeerReader
from ..settings import Settings
from . import backoff
from .clock import pause
from .exchange import Answer, Exchange, FetchError
from .logpace import LogPace
from .store import Store
from .token import TokenError, read_token
from .verdict import Changed, Older, Problem, Unchanged, judge
from .wire import StoodStillError

logger = logging.getLogger("hotpeers_shim")

PERIOD = 5.0
"""The shortest time between two requests that find no change, in seconds.

A server that waits, as asked, takes longer. One that cannot wait is asked this often.
"""
SETTLE = 0.2
"""The shortest time between two changes, in seconds."""
STALE_SECONDS = 20.0
"""How long only older lists must arrive before one is taken: the hub may be a new one."""
BUSY_SECONDS = 15.0
"""How long a server that is busy may ask to be left alone, without it being a problem."""
LOOK_SECONDS = 1.0
"""How often a process looks whether it must take over from the one that writes."""
SHORTEST_WAIT = 1.0
"""The shortest wait to ask for, in seconds, if a proxy ends longer ones."""


class Follower:
    """Keeps the peer file equal to the hub's list. `run` is the body of a daemon thread."""

    def __init__(
        self,
        settings: Settings,
        reader: PeerReader,
        changed: Callable[[], object],
        noted: Callable[[str, str], object] = lambda _url, _problem: None,
    ) -> None:
        """`reader` reads the peer file of `settings`. `changed` is called after each write.

        `noted` is called with the URL and the problem when the list cannot be followed, and with an
        empty problem when it is followed again.
        """
        self._settings = settings
        self._reader = reader
        self._changed = changed
        self._noted = noted
        self._store = Store(settings.peer_file)
        self._exchange: Exchange | None = None
        self._stop = threading.Event()
        self._answered: tuple[str, str] = ("", "")
        self._wait = 0.0
        self._patience = settings.peers_wait
        self._unsure = False
        self._failures = 0
        self._older_since: float | None = None
        self._pace = LogPace()
        self._troubled = False

    def stop(self) -> None:
        """End the thread, after the request that is in flight."""
        self._stop.set()

    def run(self) -> None:
        """Follow the feed until `stop`. Never raises."""
        while not self._stop.is_set():
            try:
                delay = self._turn()
            except Exception as error:  # noqa: BLE001 - the thread must outlive any fault
                delay = self._fail("fault", f"a fault of the shim: {error!r}")
            if delay > 0 and pause(delay, self._stop):
                self._forget_place()
        if self._exchange is not None:
            self._exchange.close()
        self._store.release()

    def _turn(self) -> float:
        """One request. Returns the seconds to wait before the next one."""
        try:
            if not self._store.acquire():
                return LOOK_SECONDS
        except OSError as error:
            return self._fail("write", self._unwritable(error))
        view = self._reader.current()
        intact = view.rejection is None
        began = time.monotonic()
        try:
            answer = self._ask(view.file if intact else None)
        except StoodStillError:
            self._forget_place()
            return 0.0
        except TokenError as error:
            return self._fail("token", str(error))
        except FetchError as error:
            return self._missed(error, time.monotonic() - began)
        took = time.monotonic() - began
        return self._follow(answer, view.file, intact=intact, took=took)

    def _forget_place(self) -> None:
        """The process stood still, and perhaps goes on elsewhere: what it knew is out of date."""
        self._failures = 0
        self._patience = self._settings.peers_wait

    def _ask(self, have: PeerFile | None) -> Answer:
        settings = self._settings
        self._wait = 0.0
        if self._exchange is None:
            self._exchange = Exchange(settings.peers_url, ca_file=settings.peers_ca_file)
        token = read_token(settings.peers_token_file, settings.peers_token)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if have is not None and (etag := self._etag(have)):
            headers["If-None-Match"] = etag
            # A request that was not answered in full says nothing about the list: look first.
            if not (self._troubled or self._unsure):
                self._wait = self._patience
                headers["Prefer"] = wait_header(self._wait)
        return self._exchange.get(headers, self._wait)

    def _etag(self, have: PeerFile) -> str:
        """The tag of the list in the file, which may be of another process or an earlier start."""
        digest, etag = self._answered
        return etag if digest == have.digest else _valid(etag_of(have.digest))

    def _missed(self, error: FetchError, took: float) -> float:
        if error.kind == "closed" and self._wait and took > SETTLE:
            # By a server that ends, or by a proxy that closes connections that are silent for long.
            self._unsure = True
            return backoff.spread(SETTLE)
        return self._fail(error.kind, str(error))

    def _follow(self, answer: Answer, live: PeerFile | None, *, intact: bool, took: float) -> float:
        verdict = judge(answer, live, intact=intact, now=time.time())
        if isinstance(verdict, Older):
            verdict = self._unless_new(verdict)
        if isinstance(verdict, Problem):
            delay = verdict.delay or PERIOD
            if self._wait and verdict.is_busy and delay <= BUSY_SECONDS:
                self._unsure = True
                return backoff.after_failures(1, delay)
            if self._wait and verdict.is_time_limit:
                self._unsure = True
                self._patience = max(SHORTEST_WAIT, min(self._patience, took) * 0.8)
                logger.debug("a proxy ends a wait after %.1f s", took)
                return backoff.spread(SETTLE)
            return self._fail(verdict.kind, verdict.message, verdict.delay)
        if isinstance(verdict, Changed):
            try:
                self._store.write(verdict.body)
            except OSError as error:
                return self._fail("write", self._unwritable(error))
            self._note_etag(verdict.file, answer)
            self._changed()
        elif live is not None:
            self._note_etag(live, answer)
        self._succeed()
        if isinstance(verdict, Unchanged) and self._wait:
            return max(0.0, backoff.spread(PERIOD) - took)
        return backoff.spread(SETTLE)

    def _unless_new(self, older: Older) -> Changed | Problem:
        """The older list, if no other has arrived for a while; else a problem."""
        now = time.monotonic()
        if self._older_since is None:
            self._older_since = now
        if now - self._older_since >= STALE_SECONDS:
            logger.warning(
                "the hub at %s offers only lists older than generation %s: taking generation %s",
                self._shown(),
                older.have,
                older.newer.file.generation,
            )
            return older.newer
        if self._exchange is not None:
            # The next connection may reach another replica.
            self._exchange.close()
        return Problem(
            "older",
            f"it answered with generation {older.newer.file.generation}, older than {older.have}",
        )

    def _note_etag(self, file: PeerFile, answer: Answer) -> None:
        # Some servers leave it out of a 304.
        etag = _valid(answer.headers.get("etag", "").strip()) or self._etag(file)
        self._answered = (file.digest, etag)

    def _succeed(self) -> None:
        self._failures = 0
        self._older_since = None
        self._unsure = False
        if self._troubled:
            self._troubled = False
            self._noted(self._shown(), "")
        if self._pace.is_due("", time.monotonic()):
            # At the level of the problem, or a log of warnings would never show its end.
            logger.warning("the peer list of %s is followed again", self._shown())

    def _fail(self, kind: str, message: str, asked: float | None = None) -> float:
        """Note a problem. Returns the seconds to wait before the next try."""
        self._failures += 1
        self._troubled = True
        if kind != "older":
            self._older_since = None
        if self._pace.is_due(kind, time.monotonic()):
            file = self._reader.current().file
            stays = (
                "no peers are known yet"
                if file is None
                else f"{len(file.peers)} peers of generation {file.generation} stay live"
            )
            text = self._redacted(f"{message}; {stays}")
            logger.warning("the peer list of %s cannot be followed: %s", self._shown(), text)
        self._noted(self._shown(), self._redacted(message))
        return backoff.after_failures(self._failures, asked)

    def _shown(self) -> str:
        return self._exchange.shown if self._exchange is not None else "HOTPEERS_PEERS_URL"

    def _unwritable(self, error: OSError) -> str:
        path = self._settings.peer_file
        return f"{path} cannot be written ({error.strerror or error}); set HOTPEERS_PEER_FILE"

    def _redacted(self, text: str) -> str:
        """`text` without the token or a beginning of it, which a server might repeat."""
        try:
            token = read_token(self._settings.peers_token_file, self._settings.peers_token)
        except TokenError:
            token = ""
        shown = clean_text(text, 1000)
        # Texts are cut, perhaps within the token.
        return re.sub(re.escape(token[:8]) + "[!-~]*", "…", shown) if len(token) >= 8 else shown


def _valid(etag: str) -> str:
    return etag if is_etag(etag) and etag.isascii() else ""
