"""Who is signed in. Sessions are in memory; the cookie holds only a random number, the secret.

The token of a session is kept to ask the API server again whether it is valid. It is sealed with the
secret, of which only a digest is kept: so the tokens can be read only while their users use the pages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.fernet import Fernet

from ..base.parts import number
from .cached_answer import CachedAnswer
from .reviews import User

LONGEST_SECONDS = 8 * 3_600.0
"""A session ends after this time, or when its token would have expired."""
WITHOUT_EXPIRY_SECONDS = 3_600.0
"""How long a session lasts whose token names no time of expiry."""
_MOST, _MOST_OF_A_USER = 2_000, 20


@dataclass(eq=False, slots=True)
class Session:
    """A signed-in user, until `expires` in seconds of the clock. `confirmed` is whose token it is."""

    key: bytes
    user: User
    expires: float
    sealed: bytes
    confirmed: CachedAnswer[User | None]

    def token(self, secret: str) -> str:
        """The token, which only the secret of the cookie unseals."""
        return _seal(secret).decrypt(self.sealed).decode()


class Sessions:
    """The sessions of this process. Both a user's and all sessions are limited; the oldest one ends."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}

    def number(self) -> int:
        """How many there are."""
        self.end_old()
        return len(self._sessions)

    def begin(self, user: User, token: str, lifetime: float) -> str:
        """Begin a session of so many seconds. Returns the secret for its cookie."""
        secret = secrets.token_urlsafe(32)
        confirmed: CachedAnswer[User | None] = CachedAnswer(self._clock)
        confirmed.put(user)
        sealed = _seal(secret).encrypt(token.encode())
        session = Session(_digest(secret), user, self._clock() + lifetime, sealed, confirmed)
        self.end_old()
        # Each token of a ServiceAccount has an id in `extra`: it is the same user all the same.
        own = [one for one in self._sessions.values() if _is_same(one.user, user)]
        for one in own[: max(len(own) + 1 - _MOST_OF_A_USER, 0)]:
            self.end(one)
        while len(self._sessions) >= _MOST:
            self.end(next(iter(self._sessions.values())))
        self._sessions[session.key] = session
        return secret

    def find(self, secret: str) -> Session | None:
        """The session of a cookie; None if it is unknown or has ended."""
        session = self._sessions.get(_digest(secret[:100]))
        return session if session is not None and self.is_alive(session) else None

    def is_alive(self, session: Session) -> bool:
        """Whether the session has neither expired nor ended."""
        if self._clock() >= session.expires:
            self.end(session)
        return session.key in self._sessions

    def confirm(self, session: Session, user: User | None) -> bool:
        """Note whose token it is now. Another user's, or nobody's, ends the session."""
        if user is None or not _is_same(session.user, user):
            self.end(session)
            return False
        # The groups of a user may change.
        session.user = user
        return True

    def end(self, session: Session) -> None:
        """End a session."""
        self._sessions.pop(session.key, None)

    def end_old(self) -> None:
        """End the sessions whose time is over."""
        for one in list(self._sessions.values()):
            self.is_alive(one)


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


def _is_same(one: User, other: User) -> bool:
    return (one.name, one.uid) == (other.name, other.uid)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _seal(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_digest(f"seal {secret}")))
