"""The thread that follows the feed: asks, judges the answer, writes the file, and waits."""

from __future__ import annotations

import logging
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
LOOK_SECONDS = 1.0
"""How often a process looks whether it must take over from the one that writes."""
REPEAT_SECONDS = 60.0
"""How long the same problem is not logged again, even if it was solved meanwhile."""


class Follower:
    """Keeps the peer file equal to the hub's list. `run` is the body of a daemon thread."""

    def __init__(
        self, settings: Settings, reader: PeerReader, changed: Callable[[], object]
    ) -> None:
        """`reader` reads the peer file of `settings`. `changed` is called after each write."""
        self._settings = settings
        self._reader = reader
        self._changed = changed
        self._store = Store(settings.peer_file)
        self._exchange: Exchange | None = None
        self._stop = threading.Event()
        self._answered: tuple[str, str] = ("", "")
        self._wait = 0.0
        self._failures = 0
        self._older_since: float | None = None
        self._logged: dict[str, float] = {}
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
                # The process stood still: the reason to wait is out of date.
                self._failures = 0
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
        self._wait = 0.0
        began = time.monotonic()
        try:
            answer = self._ask(view.file if intact else None)
        except StoodStillError:
            self._failures = 0
            return 0.0
        except (FetchError, TokenError) as error:
            return self._fail(getattr(error, "kind", "token"), str(error))
        took = time.monotonic() - began
        return self._follow(answer, view.file, intact=intact, took=took)

    def _ask(self, have: PeerFile | None) -> Answer:
        settings = self._settings
        if self._exchange is None:
            self._exchange = Exchange(settings.peers_url, ca_file=settings.peers_ca_file)
        token = read_token(settings.peers_token_file, settings.peers_token)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if have is not None and (etag := self._etag(have)):
            headers["If-None-Match"] = etag
            # After a problem, find out first whether it is solved.
            if not self._troubled:
                self._wait = settings.peers_wait
                headers["Prefer"] = wait_header(self._wait)
        return self._exchange.get(headers, self._wait)

    def _etag(self, have: PeerFile) -> str:
        """The tag of the list in the file, which may be of another process or an earlier start."""
        digest, etag = self._answered
        return etag if digest == have.digest else _valid(etag_of(have.digest))

    def _follow(self, answer: Answer, live: PeerFile | None, *, intact: bool, took: float) -> float:
        verdict = judge(answer, live, intact=intact, now=time.time())
        if isinstance(verdict, Older):
            verdict = self._unless_new(verdict)
        if isinstance(verdict, Problem):
            if verdict.is_busy and intact:
                # The list is known. It is asked for again soon, only without waiting.
                return backoff.after_failures(1, verdict.delay or PERIOD)
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
        etag = _valid(answer.headers.get("etag", "").strip())
        self._answered = (file.digest, etag or _valid(etag_of(file.digest)))

    def _succeed(self) -> None:
        self._failures = 0
        self._older_since = None
        if self._troubled:
            self._troubled = False
            logger.info("the peer list of %s is followed again", self._shown())

    def _fail(self, kind: str, message: str, asked: float | None = None) -> float:
        """Log a problem once. Returns the seconds to wait before the next try."""
        self._failures += 1
        self._troubled = True
        if kind != "older":
            self._older_since = None
        now = time.monotonic()
        if now - self._logged.get(kind, -REPEAT_SECONDS) >= REPEAT_SECONDS:
            self._logged[kind] = now
            file = self._reader.current().file
            stays = (
                "no peers are known yet"
                if file is None
                else f"{len(file.peers)} peers of generation {file.generation} stay live"
            )
            text = f"the peer list of {self._shown()} cannot be followed: {message}; {stays}"
            logger.warning("%s", self._redacted(text))
        return backoff.after_failures(self._failures, asked)

    def _shown(self) -> str:
        return self._exchange.shown if self._exchange is not None else "HOTPEERS_PEERS_URL"

    def _unwritable(self, error: OSError) -> str:
        path = self._settings.peer_file
        return f"{path} cannot be written ({error.strerror or error}); set HOTPEERS_PEER_FILE"

    def _redacted(self, text: str) -> str:
        """`text` without the token, which a server might repeat."""
        try:
            token = read_token(self._settings.peers_token_file, self._settings.peers_token)
        except TokenError:
            token = ""
        shown = clean_text(text, 1000)
        return shown.replace(token, "…") if len(token) >= 8 else shown


def _valid(etag: str) -> str:
    return etag if is_etag(etag) and etag.isascii() else ""
