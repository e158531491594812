"""The feed: the peer list over HTTP, from a hub to agents that have no sidecar. Pure.

    GET https://HUB/v1/peers
    Authorization: Bearer TOKEN
    If-None-Match: "sha256:..."
    Prefer: wait=25

The answer 200 has the JSON of the peer file, with the limits of the file (`load_peer_file`), and the
ETag of the list. With `If-None-Match` the answer is 304 if the list is still the same. With `Prefer`
too (RFC 7240), the server first waits so many seconds for another list. 401 and 403 mean that the
token is not allowed; 429 and 503 carry `Retry-After`.

The ETag is made from the list's digest alone, so that replicas which share nothing agree on it.
Generations of replicas must be comparable, such as milliseconds since the epoch: a client keeps its
list if an answer has an older generation of another list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime

FEED_PATH = "/v1/peers"
MAX_WAIT = 60.0
"""The longest wait that a client may ask for, in seconds."""
MAX_RETRY_AFTER = 300.0
"""The longest `Retry-After` that a client follows, in seconds."""

_ETAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_WAIT = re.compile(r'wait\s*=\s*(?:"([0-9]{1,9})"|([0-9]{1,9}))', re.IGNORECASE)


def etag_of(digest: str) -> str:
    """The ETag of the list with this digest."""
    return f'"{digest}"'


def is_etag(text: str) -> bool:
    """Whether `text` is one entity tag, weak or strong (RFC 9110, 8.8.3)."""
    return _ETAG.fullmatch(text) is not None


def is_known(if_none_match: str, digest: str) -> bool:
    """Whether a request with this `If-None-Match` has the list with this digest already.

    The field may have several tags. Proxies that compress make a tag weak (nginx) or append the
    encoding to it (Apache's `-gzip`).
    """
    found = {tag.removesuffix("-gzip") for tag in _ETAG.findall(if_none_match)}
    return bool(digest) and digest in found


def wait_header(seconds: float) -> str:
    """The value of `Prefer` for a wait, in whole seconds."""
    return f"wait={round(min(seconds, MAX_WAIT))}"


def wait_of(prefer: Iterable[str]) -> float:
    """The seconds to wait by the values of `Prefer`, at most `MAX_WAIT`. 0 without a valid wait.

    Each value may have several preferences with parameters. The first `wait` applies.
    """
    for value in prefer:
        for preference in value.split(","):
            found = _WAIT.fullmatch(preference.partition(";")[0].strip())
            if found is not None:
                return min(float(found[1] or found[2]), MAX_WAIT)
    return 0.0


def retry_after(value: str, now: float) -> float | None:
    """The seconds to wait by a `Retry-After`, from 1 to `MAX_RETRY_AFTER`; None if it is invalid.

    `now` is the time in seconds since the epoch, for a value that is a date.
    """
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        seconds = float(text)
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return max(1.0, min(seconds, MAX_RETRY_AFTER))
