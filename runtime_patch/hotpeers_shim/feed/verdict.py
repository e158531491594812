"""Decides what an answer of the hub means for the peer file. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract import PeerFile, Rejection, clean_text, load_peer_file
from ..contract.feed import retry_after
from .exchange import Answer


@dataclass(frozen=True, slots=True)
class Changed:
    """Another list, to write to the peer file as it is."""

    body: bytes
    file: PeerFile


@dataclass(frozen=True, slots=True)
class Older:
    """Another list with an older generation: from a replica that lags, or from a new hub."""

    newer: Changed
    have: int


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The list that the peer file has already."""


@dataclass(frozen=True, slots=True)
class Problem:
    """No list. `kind` is the same for each repetition of one problem.

    `delay` is the time in seconds that the server asked for. `is_busy` means that the server has
    no room for a request that waits, or that it gets too many. `is_time_limit` means that a proxy
    ended the request, because the server took too long.
    """

    kind: str
    message: str
    delay: float | None = None
    is_busy: bool = False
    is_time_limit: bool = False


Verdict = Changed | Older | Unchanged | Problem

_TIME_LIMITS = (408, 504, 524)
_HINTS = {
    401: "the token is missing or wrong (HOTPEERS_PEERS_TOKEN, HOTPEERS_PEERS_TOKEN_FILE)",
    403: "the token is not allowed to read this list",
    404: "there is no peer list at this URL (HOTPEERS_PEERS_URL)",
    429: "it gets too many requests",
}


def judge(answer: Answer, live: PeerFile | None, *, intact: bool, now: float) -> Verdict:
    """What to do with `answer`.

    `live` is the last good list, and `intact` says whether the peer file on disk has it. `now` is
    in seconds since the epoch.
    """
    if answer.status == 304:
        asked = Problem("status 304", "it answered 304, although no list was named")
        return Unchanged() if intact else asked
    if answer.status != 200:
        return _refusal(answer, now)
    file = load_peer_file(answer.body, live.peers if live is not None else ())
    if isinstance(file, Rejection):
        kind = clean_text(answer.headers.get("content-type", "no content type"), 80)
        return Problem(
            f"list {file.reason}",
            f"it answered with no peer list ({kind}): {clean_text(str(file))}",
        )
    changed = Changed(answer.body, file)
    # The lists of different orchestrators have no common order.
    if live is None or file.orchestrator != live.orchestrator:
        return changed
    if file.digest == live.digest and intact:
        return Unchanged()
    is_older = file.digest != live.digest and file.generation < live.generation
    return Older(changed, live.generation) if is_older else changed


def _refusal(answer: Answer, now: float) -> Problem:
    status = answer.status
    message = f"it answered {status}"
    if status in _HINTS:
        message += f": {_HINTS[status]}"
    elif 300 <= status < 400:
        to = clean_text(answer.headers.get("location", "nowhere"), 200)
        message += f": redirects are not followed, and it leads to {to} (HOTPEERS_PEERS_URL)"
    asked = answer.headers.get("retry-after", "")
    delay = retry_after(asked, now) if asked and status in (429, 503) else None
    return Problem(
        f"status {status}",
        message,
        delay,
        is_busy=status == 429,
        is_time_limit=status in _TIME_LIMITS,
    )
