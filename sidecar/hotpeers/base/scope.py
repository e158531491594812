"""How a source gets on with a part of what it follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .reasons import Word


class State(StrEnum):
    """What a scope is doing."""

    STARTING = "starting"
    FOLLOWING = "following"
    RETRYING = "retrying"
    NOT_INSTALLED = "notInstalled"


@dataclass(frozen=True, slots=True)
class ScopeStatus:
    """One scope as people see it. `age` is in seconds: how old the newest news from the server is.

    `namespace` is "" where all are followed.
    """

    kind: str
    namespace: str
    state: State
    objects: int
    version: str
    age: float | None
    restarts: int
    reason: Word | None = None
    message: str = ""
