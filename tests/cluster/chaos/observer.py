"""The reader of every scenario: looks at the peer file all the time, and forgets nothing wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from hotpeers_shim.contract import PeerFile, Rejection, load_peer_file
from kit.waiting import until

SECONDS = 60.0
_PAUSE = 0.0015


class Observer:
    """Polls one peer file in a thread; at its end it fails if the file was wrong at any time.

    Wrong is: it was there and is gone; it is refused; it lacks a peer that must be there; its
    generation went back; or one generation has had two contents. A list that may not be empty is
    one with a peer that must be there: see `require`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._required: frozenset[str] = frozenset()
        self._names: set[str] = set()
        self._raw = b""
        self._ending = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="observer")
        self._running: Future[None] | None = None
        self.file: PeerFile | None = None
        self.wrong: list[str] = []
        self.polls = 0
        self.generations = 0

    def __enter__(self) -> Observer:
        self._running = self._pool.submit(self._follow)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ending.set()
        self._pool.shutdown()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Fail if anything was wrong until now, or if the looking itself failed."""
        assert self._running is not None
        if self._running.done():
            self._running.result()
        assert self.wrong == [], "\n".join(self.wrong[:20])

    def require(self, *names: str) -> None:
        """From now on these peers must be there, always; they are there already."""
        missing = set(names) - self.names
        assert not missing, missing
        self._required |= set(names)

    def release(self, *names: str) -> None:
        """From now on these peers may go."""
        self._required -= set(names)

    @property
    def names(self) -> set[str]:
        """The names of the peers in the newest file."""
        return self._names

    @property
    def descriptions(self) -> dict[str, str]:
        """The description of each peer in the newest file."""
        return {peer.name: peer.description for peer in self.file.peers} if self.file else {}

    @property
    def generation(self) -> int:
        """The generation of the newest file."""
        return self.file.generation if self.file else 0

    def until(self, what: str, condition: Callable[[], bool], seconds: float = SECONDS) -> float:
        """Wait until it is so, and fail where it is not in time; the seconds that it took."""
        began = time.monotonic()

        def probe() -> bool:
            self.check()
            return condition()

        until(what, probe, seconds)
        return time.monotonic() - began

    def until_names(self, names: Iterable[str], seconds: float = SECONDS) -> float:
        """Wait until exactly these peers are there."""
        wanted = set(names)
        return self.until(f"{len(wanted)} peers", lambda: self.names == wanted, seconds)

    def until_told(self, name: str, description: str, seconds: float = SECONDS) -> float:
        """Wait until a peer is described so."""
        what = f"{name} to be {description!r}"
        return self.until(what, lambda: self.descriptions.get(name) == description, seconds)

    def figures(self) -> str:
        """A short summary of the observed files."""
        return f"{self.polls} polls, {self.generations} generations, {len(self.wrong)} wrong"

    def _follow(self) -> None:
        while not self._ending.wait(_PAUSE):
            self._look()

    def _look(self) -> None:
        self.polls += 1
        before = self._required
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            if self._raw:
                self.wrong.append("the file is gone")
            return
        # Requirements that changed during this read do not apply to it.
        required = before & self._required
        # The same bytes are as good as they were: the looks stay cheap.
        if raw != self._raw:
            self._raw = raw
            self._judge(raw)
        if missing := required - self._names:
            self.wrong.append(f"generation {self.generation} lacks {sorted(missing)[:5]}")

    def _judge(self, raw: bytes) -> None:
        found = load_peer_file(raw)
        if isinstance(found, Rejection):
            self.wrong.append(f"refused: {found}: {raw[:80]!r}")
            return
        if self.file is not None and found.generation < self.file.generation:
            self.wrong.append(f"generation {found.generation} after {self.file.generation}")
        if self.file is not None and found.generation == self.file.generation:
            self.wrong.append(f"generation {found.generation} has two contents")
        self.generations += 1
        self._names = {peer.name for peer in found.peers}
        self.file = found
