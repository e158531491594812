"""Follows the operator's credentials document, and gives each reader the credentials it may have.

The agent gets headers and public CA certificates through the credential file; for OAuth2 the headers
hold the short-lived token, never the client secret. The sidecar's own requests use these too, and the
client certificate. Calls of the agent that need the client certificate go through the relay.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from hotpeers_shim.contract import clean_text
from hotpeers_shim.contract.credentials import MAX_MISSING, Credential
from hotpeers_shim.contract.prefixes import Prefix, longest

from ...base.problems import Problem
from ...base.reasons import Reason
from ..reasons import SidecarReason
from .delivery import Delivery
from .document import CredentialsError, files_of, read_document
from .grant import Grant
from .relay import Relay
from .tokens import TokenKeeper

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
_Signature = tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """Headers and TLS context for a request of the sidecar itself; None is the default context."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    context: ssl.SSLContext | None = None


class CredentialKeeper:
    """All credentials of one sidecar. `changed` is called when `problems` change."""

    def __init__(self, document: Path | None, peer_file: Path, changed: Callable[[], None]) -> None:
        self._document = document
        self._changed = changed
        self._delivery = Delivery(peer_file)
        self._tokens = TokenKeeper(self._bring)
        self._relay = Relay(self._find)
        self._grants: tuple[Grant, ...] = ()
        self._files: tuple[Path, ...] = () if document is None else (document,)
        self._seen: _Signature | None = None
        self._rejected: Problem | None = None
        self._users: frozenset[int] = frozenset()
        self._told: tuple[Problem, ...] = ()
        # The credentials from a previous run. They are kept until the document was read once.
        self._before: dict[Prefix, Credential] | None = None
        if document is not None:
            self._before = {one.prefix: one for one in self._delivery.read()}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The current problems with credentials."""
        own = (self._rejected, self._delivery.problem)
        return (*(problem for problem in own if problem is not None), *self._tokens.problems)

    def access(self, url: str) -> Access:
        """Headers and TLS context for a request of the sidecar itself to `url`."""
        grant = self._find(url)
        return Access() if grant is None else Access(self._headers(grant), grant.context)

    def note_users(self, users: frozenset[int]) -> None:
        """Set the user IDs that the agent's processes run as, and deliver the file to them."""
        if users != self._users:
            self._users = users
            self._bring()

    async def run(self) -> None:
        """Follow the document forever. Returns at once if no document is configured."""
        self._delivery.remove_leftovers()
        if self._document is None:
            if self._delivery.exists:
                # The file is from a previous run with a document: replace its credentials.
                self._bring()
            return
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._tokens)
            await stack.enter_async_context(self._relay)
            while True:
                await self._look()
                await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        if _signature(self._files) != self._seen:
            assert self._document is not None, "checked by `run`"  # noqa: S101
            await self._take(self._document)
        elif self._delivery.intact:
            return
        self._bring()

    async def _take(self, document: Path) -> None:
        # Update these for an invalid document too: it may become valid when one of its files
        # changes. Take the signature before reading, so that a change in between is seen next time.
        self._files = await asyncio.to_thread(files_of, document)
        self._seen = _signature(self._files)
        try:
            grants = await asyncio.to_thread(read_document, document)
            if any(grant.has_certificate for grant in grants) and not self._relay.url:
                await self._relay.start()
        except CredentialsError as error:
            self._reject(error.reason, str(error), error.field)
            grants = self._grants
        except OSError as error:
            self._reject(
                SidecarReason.CREDENTIALS_UNREADABLE, error.strerror or type(error).__name__, ""
            )
            grants = self._grants
        else:
            self._rejected = None
            self._seed(grants)
            logger.info("credentials for %d prefixes are in use", len(grants))
        self._grants = grants
        self._tokens.follow({grant.oauth2 for grant in grants if grant.oauth2 is not None})
        await self._relay.keep({grant.context for grant in grants if grant.context is not None})

    def _seed(self, grants: tuple[Grant, ...]) -> None:
        """Use the tokens from the previous run, because their server may be down now."""
        found, self._before = self._before or {}, None
        for grant in grants:
            before = found.get(grant.prefix)
            if before is not None and grant.oauth2 is not None and before.until:
                kind, _, token = before.headers.get("Authorization", "").partition(" ")
                if kind == "Bearer" and token:
                    self._tokens.seed(grant.oauth2, token, before.until)

    def _reject(self, reason: Reason, message: str, where: str) -> None:
        self._rejected = Problem(str(self._document), reason, message, field=where)

    def _find(self, url: str) -> Grant | None:
        return longest(self._grants, url)

    def _headers(self, grant: Grant) -> Mapping[str, str]:
        if grant.oauth2 is None:
            return grant.headers
        token = self._tokens.value(grant.oauth2)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _bring(self) -> None:
        self._delivery.bring(self._credentials(), self._users)
        if self.problems != self._told:
            self._told = self.problems
            self._changed()

    def _credentials(self) -> Iterator[Credential]:
        if self._before is not None:
            yield from self._before.values()
            return
        for grant in self._grants:
            via = self._relay.url if grant.has_certificate else ""
            client = None if grant.cards_only else grant.oauth2
            yield Credential(
                prefix=grant.prefix,
                headers={} if grant.cards_only else self._headers(grant),
                # With a relay, the agent needs no CA: the relay makes the TLS connection.
                ca="" if via else grant.ca,
                via=via,
                key=self._relay.key if via else "",
                until=self._tokens.until(client) if client else 0,
                missing=clean_text(self._tokens.missing(client), MAX_MISSING) if client else "",
            )


def _signature(files: tuple[Path, ...]) -> _Signature:
    """Identifies the current versions of the files.

    The files of a mounted Secret are links, and an update replaces the folder behind all of them at
    once.
    """
    return tuple(map(_stamp, files))


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
