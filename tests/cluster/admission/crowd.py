"""Many clients that create agents at the same moment, and a watcher that counts the agents."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cluster.admission.attempts import AGENTS
from cluster.admission.outcome import Attempt, By, attempt
from kit.apiserver.client import Api, Object
from kit.spawning import declarative
from kit.waiting import until

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 4.0


class Watcher:
    """Follows the agents of `team` that were spawned. `most` is how many there were at one moment."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="watch agents")
        self.alive: set[str] = set()
        self.most = 0
        self.added = 0
        self.failure: Exception | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While it lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join(180)
        assert self.failure is None, self.failure

    def until_alive(self, count: int, seconds: float) -> None:
        """Wait until there are so many."""
        until(f"{count} agents", lambda: len(self.alive) == count, seconds)

    def _follow(self) -> None:
        try:
            place = ("kagent.dev/v1alpha2", "Agent", "team")
            selector = {"labelSelector": "hotpeers.dev/spawned=true"}
            version = self._api.list(*place, **selector)["metadata"]["resourceVersion"]
            while not self._ended.is_set():
                query = {**selector, "resourceVersion": version, "timeoutSeconds": 3}
                for event in self._api.watch(*place, **query):
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._note(event)
        except Exception as error:  # noqa: BLE001 - told at the end
            self.failure = error

    def _note(self, event: Object) -> None:
        name = event["object"]["metadata"]["name"]
        if event["type"] == "ADDED":
            self.added += 1
            self.alive = self.alive | {name}
        elif event["type"] == "DELETED":
            self.alive = self.alive - {name}
        else:
            assert event["type"] == "MODIFIED", event
        self.most = max(self.most, len(self.alive))


class Crowd:
    """Clients that each retry to create one agent until it exists, or until they are stopped."""

    def __init__(self, api: Api, names: Sequence[str]) -> None:
        self._api = api
        self._ended = threading.Event()
        self._barrier = threading.Barrier(len(names) + 1)
        self._threads = [threading.Thread(target=self._try, args=(name,)) for name in names]
        self._lock = threading.Lock()
        self.created: set[str] = set()
        self.refused: dict[str, int] = dict.fromkeys(names, 0)
        self.faults = 0
        self.unexpected: list[str] = []

    @contextmanager
    def trying(self) -> Iterator[None]:
        """While it lasts; all begin together."""
        for thread in self._threads:
            thread.start()
        self._barrier.wait(180)
        try:
            yield
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join(180)

    def until_refused_again(self, seconds: float) -> None:
        """Wait until everybody who has no agent was refused for the counts once more, from now on."""
        before = dict(self.refused)
        self._until(lambda name: self.refused[name] > before[name], seconds)

    def _until(self, holds: Callable[[str], bool], seconds: float) -> None:
        def all_do() -> bool:
            # A watch may show an agent before its client has got the answer.
            return all(name in self.created or holds(name) for name in self.refused)

        until("every create to be refused", all_do, seconds)

    def _try(self, name: str) -> None:
        self._barrier.wait(180)
        pause = _FIRST_PAUSE
        while not self._ended.is_set():
            outcome = attempt(self._api, Attempt("POST", AGENTS, declarative(name)))
            with self._lock:
                if outcome.by is By.NOBODY:
                    self.created.add(name)
                    return
                if outcome.by is By.FAULT:
                    self.faults += 1
                elif "TooManyAgents" in outcome.message:
                    self.refused[name] += 1
                else:
                    self.unexpected.append(outcome.message)
            self._ended.wait(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE)
