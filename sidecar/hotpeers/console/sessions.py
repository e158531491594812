"""Who is signed in. A session is in memory and has no token; the cookie holds only a random number."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..base.parts import number
from .reviews import User

LONGEST_SECONDS = 8 * 3_600.0
"""A session ends after this time, or when its token would have expired."""
WITHOUT_EXPIRY_SECONDS = 3_600.0
"""How long a session lasts whose token names no time of expiry."""
_MOST, _MOST_OF_A_USER = 2_000, 20


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user, until `expires` in seconds of the clock."""

    key: bytes
    user: User
    expires: float


class Sessions:
    """The sessions of this process. Both a user's and all sessions are limited; the oldest one ends."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}

    def begin(self, user: User, lifetime: float) -> tuple[str, Session]:
        """A new session, and the secret for its cookie. Only a digest of the secret is kept."""
        secret = secrets.token_urlsafe(32)
        session = Session(_digest(secret), user, self._clock() + lifetime)
        own = [one for one in self._sessions.values() if one.user == user]
        for one in own[: max(len(own) + 1 - _MOST_OF_A_USER, 0)]:
            self.end(one)
        while len(self._sessions) >= _MOST:
            self.end(next(iter(self._sessions.values())))
        self._sessions[session.key] = session
        return secret, session

    def find(self, secret: str) -> Session | None:
        """The session of a cookie; None if it is unknown or has ended."""
        session = self._sessions.get(_digest(secret[:100]))
        return session if session is not None and self.is_alive(session) else None

    def is_alive(self, session: Session) -> bool:
        """Whether the session has neither expired nor ended."""
        if self._clock() >= session.expires:
            self.end(session)
        return session.key in self._sessions

    def end(self, session: Session) -> None:
        """End a session."""
        self._sessions.pop(session.key, None)


def lifetime_of(token: str, now: float) -> float:
    """How long a session of this token lasts, in seconds: not longer than the token, if it is a JWT.

    The API server has verified the token before.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return WITHOUT_EXPIRY_SECONDS
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return WITHOUT_EXPIRY_SECONDS
    expires = number(claims, "exp")
    if not expires:
        return WITHOUT_EXPIRY_SECONDS
    return max(min(expires - now, LONGEST_SECONDS), 0.0)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
