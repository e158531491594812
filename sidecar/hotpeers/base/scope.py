"""The status of one scope of a source: one kind of object in one or all namespaces."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .reasons import Word


class State(StrEnum):
    """The state of a scope."""

    STARTING = "starting"
    FOLLOWING = "following"
    RETRYING = "retrying"
    NOT_INSTALLED = "notInstalled"


@dataclass(frozen=True, slots=True)
class ScopeStatus:
    """The status of one scope, for reports. The namespace "" means all namespaces.

    `age` is the number of seconds since the last message from the server; None if there was none.
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
