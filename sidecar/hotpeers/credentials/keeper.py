"""Keeps the credential file right: follows the document, the tokens, the relay and the agents."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from hotpeers_shim.contract.credentials import Credential

from ..model.snapshot import Problem
from ..reasons import Reason
from .delivery import Delivery
from .document import DocumentError, Entry, document_path, read_document
from .outgoing import OutgoingByUrl
from .relay import Relay
from .tokens import TokenKeeper

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
_RETRY_SECONDS = 1.0
# How long a start waits for the first tokens, before it replaces those of the run before.
_FIRST_TOKENS_SECONDS = 3.0
_MAX_FILES = 1000


class CredentialKeeper:
    """The credentials of one sidecar. `changed` is called after each change of what it knows.

    `document` is what the operator wrote: a file, or a folder with `credentials.yaml`.
    """

    def __init__(self, document: Path, peer_file: Path, changed: Callable[[], None]) -> None:
        self._document = document
        self._changed = changed
        self._delivery = Delivery(peer_file)
        self._relay = Relay()
        self._entries: tuple[Entry, ...] = ()
        self._tokens: dict[Entry, TokenKeeper] = {}
        self._tasks: dict[Entry, asyncio.Task[None]] = {}
        self._users: frozenset[int] = frozenset()
        self._due = asyncio.Event()
        self._wrong: Problem | None = None
        self._read = False
        self.outgoing = OutgoingByUrl()
        """What the sidecar's own requests take along."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong now."""
        found = [self._wrong, self._delivery.problem]
        found += [
            Problem(f"credentials for {entry.prefix}", Reason.TOKEN_UNAVAILABLE, keeper.problem)
            for entry, keeper in self._tokens.items()
            if keeper.problem
        ]
        return tuple(problem for problem in found if problem is not None)

    def let_read(self, users: frozenset[int]) -> None:
        """Let agents that run as these users read the file."""
        # Those of an agent that has ended stay: another one of its user may start at any time.
        if not users <= self._users:
            self._users |= users
            self._due.set()

    async def run(self) -> None:
        """Work until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_document(group), name="credentials: document")
                group.create_task(self._deliver(), name="credentials: file")
        finally:
            await self._relay.close()

    async def _follow_document(self, group: asyncio.TaskGroup) -> None:
        seen: object = None
        while True:
            now = _signature(self._document)
            if now != seen and await self._load(group):
                seen = now
            if not self._delivery.intact:
                self._due.set()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _load(self, group: asyncio.TaskGroup) -> bool:
        """Take the document over; False where it is to be tried again though it stays as it is."""
        try:
            entries = await asyncio.to_thread(read_document, self._document)
            await self._relay.serve(entries)
        except DocumentError as error:
            reason = (
                Reason.CREDENTIALS_UNREADABLE if error.unreadable else Reason.CREDENTIALS_INVALID
            )
            self._blame(Problem(str(self._document), reason, str(error)))
            return True
        except OSError as error:
            message = f"the relay cannot listen: {error.strerror}"
            self._blame(Problem(str(self._document), Reason.CREDENTIALS_NOT_DELIVERED, message))
            return False
        self._blame(None)
        self._keep_tokens(entries, group)
        if entries != self._entries or not self._read:
            logger.info("%s: credentials for %d prefixes", self._document, len(entries))
        self._entries, self._read = entries, True
        self._due.set()
        return True

    def _keep_tokens(self, entries: tuple[Entry, ...], group: asyncio.TaskGroup) -> None:
        """One keeper for each entry with OAuth2; one that did not change keeps its token."""
        known = {entry.oauth2: entry for entry in self._tokens}
        tokens: dict[Entry, TokenKeeper] = {}
        tasks: dict[Entry, asyncio.Task[None]] = {}
        for entry in entries:
            if entry.oauth2 is None:
                continue
            before = known.pop(entry.oauth2, None)
            if before is not None:
                tokens[entry], tasks[entry] = self._tokens[before], self._tasks.pop(before)
            else:
                tokens[entry] = TokenKeeper(entry.oauth2, self._note_token)
                tasks[entry] = group.create_task(tokens[entry].run(), name="credentials: token")
        for task in self._tasks.values():
            task.cancel()
        self._tokens, self._tasks = tokens, tasks

    def _note_token(self) -> None:
        self._due.set()

    def _blame(self, problem: Problem | None) -> None:
        if problem != self._wrong:
            self._wrong = problem
            self._changed()

    async def _deliver(self) -> None:
        begun = asyncio.get_running_loop().time()
        while True:
            await self._due.wait()
            self._due.clear()
            if not self._read or (self._asking() and _waits(begun)):
                # Those of the run before stand: the document or a token may only be late.
                asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._due.set)
                continue
            current = [(entry, self._headers(entry)) for entry in self._entries]
            self.outgoing.follow(current)
            credentials = [self._credential(entry, headers) for entry, headers in current]
            await asyncio.to_thread(self._delivery.bring, credentials, self._users)
            self._changed()
            if self._delivery.problem is not None:
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._due.set)

    def _asking(self) -> bool:
        """Whether a server of tokens has not answered yet, for the first time."""
        return any(not keeper.header and not keeper.problem for keeper in self._tokens.values())

    def _headers(self, entry: Entry) -> dict[str, str]:
        headers = dict(entry.headers)
        token = self._tokens[entry].header if entry in self._tokens else ""
        return headers | {"Authorization": token} if token else headers

    def _credential(self, entry: Entry, headers: dict[str, str]) -> Credential:
        missing = ""
        if entry in self._tokens and "Authorization" not in headers:
            missing = self._tokens[entry].problem or "its first OAuth2 token has been asked for"
        if entry.certificate:
            return Credential(
                entry.prefix, headers, via=self._relay.url, key=self._relay.key, missing=missing
            )
        return Credential(entry.prefix, headers, entry.ca, missing=missing)


def _waits(begun: float) -> bool:
    return asyncio.get_running_loop().time() < begun + _FIRST_TOKENS_SECONDS


def _signature(document: Path) -> object:
    """What differs when the document does, or a file beside it: each may be named by it."""
    found: list[tuple[object, ...]] = []
    real = Path(os.path.realpath(document_path(document)))
    paths: list[Path] = []
    with contextlib.suppress(OSError):
        paths = sorted(real.parent.iterdir())[:_MAX_FILES]
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append((path.name, status.st_ino, status.st_size, status.st_mtime_ns))
    return real, found
