"""Signing in and out, and what the user of a request may see."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from hotpeers_shim.contract import clean_text

from ..kube.errors import KubeError, UnreachableError
from .attempts import Attempts
from .clients import Network, client_of
from .metrics import ConsoleMetrics
from .pages import Pages
from .query import local_path
from .reviews import ANSWER_SECONDS, User
from .rights import Rights
from .sessions import Session, Sessions, lifetime_of
from .world import Visible

logger = logging.getLogger(__name__)

_MOST_REVIEWS, _MOST_WAITING = 4, 64
_MOST_CONFIRMED = 16
_COOKIE, _SECURE_COOKIE = "hotpeers-console", "__Host-hotpeers-console"

ReviewToken = Callable[[str], Awaitable[User | None]]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The session of a request, with the secret of its cookie."""

    session: Session
    secret: str

    def token(self) -> str:
        """The token with which the user signed in."""
        return self.session.token(self.secret)


class SignIn:
    """The handlers of the form. `review` returns the user of a token.

    `secure` is whether browsers come by HTTPS. `proxies` are trusted to name the client of a request.
    """

    def __init__(  # noqa: PLR0913 - all that it is made of
        self,
        review: ReviewToken,
        rights: Rights,
        sessions: Sessions,
        pages: Pages,
        metrics: ConsoleMetrics,
        *,
        audience: str,
        secure: bool,
        proxies: Sequence[Network],
    ) -> None:
        self._review = review
        self._rights = rights
        self._sessions = sessions
        self._pages = pages
        self._metrics = metrics
        self._audience = audience
        self._secure = secure
        self._cookie = _SECURE_COOKIE if secure else _COOKIE
        self._proxies = proxies
        self._attempts = Attempts()
        self._reviewing = asyncio.Semaphore(_MOST_REVIEWS)
        # Apart from sign-ins, so that those do not delay the users who are signed in.
        self._confirming = asyncio.Semaphore(_MOST_CONFIRMED)
        self._waiting = 0

    async def show(self, request: web.Request) -> web.Response:
        """The page with the form."""
        return self._page(local_path(request.query.get("next", "/")))

    async def sign_in(self, request: web.Request) -> web.Response:
        """Review the token of the form, and begin a session."""
        client = client_of(
            request.remote or "", request.headers.getall("X-Forwarded-For", ()), self._proxies
        )
        try:
            form = await request.post()
        except (ValueError, LookupError):
            # A body that is not what its Content-Type says, or an unknown charset.
            return self._page("/", "This request is not the form of this page.", 400)
        token, way = form.get("token"), form.get("next")
        back = local_path(way if isinstance(way, str) else "/")
        pause = self._attempts.pause(client)
        if pause or self._waiting >= _MOST_WAITING:
            self._metrics.signed_in("limited")
            message = "Too many users sign in just now. Try again in a moment."
            if pause:
                message = "There were too many failed sign-ins. Wait a minute, and try again."
            return self._page(back, message, 429, int(pause) + 1)
        token = token.strip() if isinstance(token, str) else ""
        self._attempts.begin(client)
        self._waiting += 1
        try:
            async with self._reviewing:
                user = await self._review(token)
        except KubeError as error:
            self._attempts.forgive(client)
            self._metrics.signed_in("failed")
            logger.warning("a token could not be reviewed: %s", error)
            message = "The API server could not be asked about the token. Try again in a moment."
            return self._page(back, message, 503)
        finally:
            self._waiting -= 1
        lifetime = lifetime_of(token, time.time()) if user else 0.0
        if user is None or lifetime <= 0:
            self._metrics.signed_in("refused")
            logger.info("a sign-in from %s was refused", clean_text(client, 80))
            wanted = f" for the audience {self._audience}" if self._audience else ""
            message = f"The API server does not accept this token{wanted}. It may have expired."
            return self._page(back, message, 403)
        self._attempts.forgive(client)
        self._metrics.signed_in("accepted")
        secret = self._sessions.begin(user, token, lifetime)
        logger.info("%s signed in", clean_text(user.name, 200))
        answer = see(back)
        self._set_cookie(answer, secret, int(lifetime))
        return answer

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session of the request."""
        if (found := self.find(request)) is not None:
            self._sessions.end(found.session)
        answer = see("/sign-in")
        self._set_cookie(answer, "", 0)
        answer.headers["Clear-Site-Data"] = '"cache"'
        return answer

    def _page(self, back: str, message: str = "", status: int = 200, wait: int = 0) -> web.Response:
        body = self._pages.render(
            "sign-in.html", audience=self._audience, message=message, next=back
        )
        headers = {"Retry-After": str(wait)} if wait else None
        return web.Response(text=body, content_type="text/html", status=status, headers=headers)

    def _set_cookie(self, answer: web.StreamResponse, secret: str, seconds: int) -> None:
        answer.set_cookie(
            self._cookie,
            secret,
            max_age=seconds,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self._secure,
        )

    def find(self, request: web.Request) -> SignedIn | None:
        """The session of a request; None if it has none, or if it has ended."""
        secret = request.cookies.get(self._cookie, "")
        session = self._sessions.find(secret)
        return SignedIn(session, secret) if session is not None else None

    async def visible_to(self, found: SignedIn) -> Visible | None:
        """What a session may see; None if it has ended. Raises `KubeError` if that is not known."""
        session = found.session
        if not self._sessions.is_alive(session):
            return None
        user = await session.confirmed.get(lambda: self._confirm(found.token()))
        if not self._sessions.is_alive(session):
            return None
        if not self._sessions.confirm(session, user):
            self._metrics.revoked()
            logger.info("the token of %s is no longer valid", clean_text(session.user.name, 200))
            return None
        return await self._rights.of(session.user)

    async def _confirm(self, token: str) -> User | None:
        try:
            # With the time that it waits for others: if no answer comes, a page is not delayed for longer.
            async with asyncio.timeout(2 * ANSWER_SECONDS), self._confirming:
                return await self._review(token)
        except TimeoutError as error:
            raise UnreachableError("the API server did not answer in time") from error


def see(path: str) -> web.Response:
    """Leads the browser to another page, by GET."""
    return web.Response(status=303, headers={"Location": path})
