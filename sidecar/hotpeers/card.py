"""Reads the agent cards of peers over HTTP, and keeps them fresh.

One task a card: it tries again with growing, jittered pauses until the card was read once, and
looks again every minute. What was read once is kept through outages.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import urljoin

import aiohttp

from hotpeers_shim.contract import clean_text

from . import __version__
from .credentials.keeper import Access
from .model.card import Card, CardError, parse_card
from .model.origin import UrlError, card_urls, origin_of
from .model.snapshot import CardKey, Problem
from .reasons import Reason
from .resolver import Resolver

logger = logging.getLogger(__name__)

MAX_CARD_BYTES = 1024 * 1024
"""Largest agent card that is read, in bytes."""
_AT_ONCE = 16
# Seconds between two requests at the least, for cards that were never tried and for all others:
# thousands of peers are read one after the other, and a new one does not wait for the old.
_FIRST_GAP, _NEXT_GAP = 0.004, 0.02
_TIMEOUT = aiohttp.ClientTimeout(total=5.0, connect=2.0)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
_REFRESH = 60.0
_MAX_REDIRECTS = 3
# One lost request is not an outage: readiness that flaps would change the peer file each time.
_FAILURES_TO_UNREADY = 2


@dataclass(frozen=True, slots=True)
class CardState:
    """What is known of one card: the last good one, and what went wrong since."""

    card: Card | None = None
    failures: int = 0
    reason: Reason | None = None
    message: str = ""

    @property
    def ready(self) -> bool:
        """Whether the card was read, and can still be."""
        return self.card is not None and self.failures < _FAILURES_TO_UNREADY


class CardUnavailableError(Exception):
    """A card could not be fetched or is none; `reason` says which."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Lane:
    """Lets requests go a few at once, and none too soon after the one before."""

    def __init__(self, gap: float) -> None:
        self._gap = gap
        self._free = 0.0
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._slots:
            now = asyncio.get_running_loop().time()
            start = max(now, self._free)
            self._free = start + self._gap
            if start > now:
                await asyncio.sleep(start - now)
            yield


class CardReader:
    """Follows a changing set of cards. `states` has what is known, by the key of each card.

    `changed` is called after each change of `states`. `access` says what belongs to a request to a
    URL. Use it as an asynchronous context manager.
    """

    def __init__(
        self,
        changed: Callable[[], None],
        *,
        refresh: float = _REFRESH,
        access: Callable[[str], Access] = lambda _: Access(),
    ) -> None:
        self._access = access
        self._changed = changed
        self._refresh = refresh
        self._states: dict[CardKey, CardState] = {}
        self._shown: Mapping[CardKey, CardState] | None = None
        self._tasks: dict[CardKey, asyncio.Task[None]] = {}
        self._first = _Lane(_FIRST_GAP)
        self._next = _Lane(_NEXT_GAP)
        self._bad: dict[CardKey, Problem] = {}
        self._problems: tuple[Problem, ...] | None = ()
        self._session: aiohttp.ClientSession | None = None
        self._resolver = Resolver(_AT_ONCE)

    @property
    def states(self) -> Mapping[CardKey, CardState]:
        """What is known of each card that was tried at least once; the same object until that changes."""
        if self._shown is None:
            self._shown = MappingProxyType(self._states.copy())
        return self._shown

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with cards now; the same tuple until that changes."""
        if self._problems is None:
            self._problems = tuple(self._bad.values())
        return self._problems

    async def __aenter__(self) -> CardReader:
        self._session = aiohttp.ClientSession(
            timeout=_TIMEOUT,
            # A peer must not be able to set a cookie that another one then gets.
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(
                limit=2 * _AT_ONCE, force_close=True, resolver=self._resolver
            ),
            headers={"Accept": "application/json", "User-Agent": f"hotpeers/{__version__}"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = list(self._tasks.values())
        self.follow(())
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()

    def follow(self, keys: Iterable[CardKey]) -> None:
        """Read these cards from now on, and no others."""
        wanted = set(keys)
        for key in self._tasks.keys() - wanted:
            self._tasks.pop(key).cancel()
            self._states.pop(key, None)
            self._shown = None
            if self._bad.pop(key, None) is not None:
                self._problems = None
        for key in wanted - self._tasks.keys():
            self._tasks[key] = asyncio.create_task(self._follow(key), name=f"card {key[0]}")

    async def _follow(self, key: CardKey) -> None:
        pause = _FIRST_PAUSE
        lane = self._first
        while True:
            before = self._states.get(key, CardState())
            async with lane.turn():
                after = await self._look(key, before)
            lane = self._next
            if after != before:
                self._states[key] = after
                self._shown = None
            if (after.reason, after.message) != (before.reason, before.message):
                self._blame(key, after)
            if after != replace(before, failures=after.failures) or after.ready != before.ready:
                self._changed()
            if after.failures:
                wait, pause = pause, min(pause * 2, _LONGEST_PAUSE)
            else:
                wait, pause = self._refresh, _FIRST_PAUSE
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    def _blame(self, key: CardKey, state: CardState) -> None:
        self._problems = None
        if state.reason is None:
            self._bad.pop(key, None)
        else:
            self._bad[key] = Problem(key[0], state.reason, state.message)

    async def _look(self, key: CardKey, before: CardState) -> CardState:
        try:
            card = await self._fetch(key)
        except CardUnavailableError as error:
            logger.debug("no agent card of %s: %s", key[0], error)
            return replace(
                before,
                failures=before.failures + 1,
                reason=error.reason,
                message=clean_text(str(error), 400),
            )
        # The same object as before where nothing changed: what is made of it is compared by it.
        return CardState(before.card if card == before.card else card)

    async def _fetch(self, key: CardKey) -> Card:
        raw = b""
        urls = card_urls(*key)
        for last, url in ((url == urls[-1], url) for url in urls):
            try:
                status, raw = await self._get(url)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                raise CardUnavailableError(
                    Reason.CARD_UNAVAILABLE, f"{url}: {_plainly(error)}"
                ) from error
            if status == 200:
                break
            if last or status != 404:
                message = f"{urls[0]} answers with status {status}"
                raise CardUnavailableError(Reason.CARD_UNAVAILABLE, message)
        # In a thread: the first card imports its parser, and a large one takes its time.
        return await asyncio.to_thread(_parse, raw, url)

    async def _get(self, url: str) -> tuple[int, bytes]:
        """Status and body of a URL, following redirects within its origin only."""
        assert self._session is not None, "use `async with`"  # noqa: S101
        for _ in range(_MAX_REDIRECTS + 1):
            # Anew for each hop: what belongs to one path need not go to another.
            access = self._access(url)
            async with self._session.get(
                url, allow_redirects=False, headers=access.headers, ssl=access.context or True
            ) as response:
                if response.status not in (301, 302, 303, 307, 308):
                    return response.status, await _body(response)
                target = urljoin(url, response.headers.get("Location", ""))
            try:
                same = origin_of(target) == origin_of(url)
            except UrlError:
                same = False
            if not same:
                raise CardUnavailableError(
                    Reason.CARD_UNAVAILABLE, f"{url} redirects to another origin"
                )
            url = target
        raise CardUnavailableError(Reason.CARD_UNAVAILABLE, f"{url} redirects too often")


def _plainly(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        # Its own text is about sockets; that of the system says what a person looks for.
        return error.os_error.strerror or str(error.os_error)
    if isinstance(error, TimeoutError):
        return f"no answer within {_TIMEOUT.total:.0f} s"
    return str(error) or type(error).__name__


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_CARD_BYTES:
            message = f"{response.url}: larger than {MAX_CARD_BYTES} bytes"
            raise CardUnavailableError(Reason.CARD_INVALID, message)
    return bytes(body)


def _parse(raw: bytes, url: str) -> Card:
    try:
        return parse_card(json.loads(raw))
    except (CardError, ValueError, RecursionError) as error:
        raise CardUnavailableError(Reason.CARD_INVALID, f"{url}: {str(error)[:300]}") from error
