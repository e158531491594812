"""The origin of a URL (scheme, host and port), to which a peer is pinned."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

from hotpeers_shim.contract import MAX_URL

_PORTS = {"http": 80, "https": 443}
# Allows printable ASCII except the backslash, which browsers and servers interpret differently.
_FORBIDDEN = re.compile(r"[^\x21-\x5b\x5d-\x7e]")
WELL_KNOWN = "/.well-known/agent-card.json"
WELL_KNOWN_BEFORE_0_3 = "/.well-known/agent.json"


class UrlError(ValueError):
    """The text is not a valid URL of an A2A server."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port, with the scheme's default port filled in."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if _PORTS[self.scheme] == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


# Cached, because each change compares the origins of all peers and cards again.
@lru_cache(maxsize=32_768)
def origin_of(url: str) -> Origin:
    """The origin of an http(s) URL. Raises `UrlError` for any other text."""
    if len(url) > MAX_URL:
        raise UrlError(f"{len(url)} characters; the limit is {MAX_URL}")
    if _FORBIDDEN.search(url):
        raise UrlError("holds a character that a URL may not: only printable ASCII is one")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlError(f"{url!r} is not a URL: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise UrlError(f"{url!r} is not an http(s) URL")
    if "@" in parts.netloc:
        # Do not quote the URL: a user name in a URL often comes with a password.
        raise UrlError("holds a user name, which a URL of a peer may not")
    return Origin(parts.scheme, parts.hostname, _PORTS[parts.scheme] if port is None else port)


def check_peer_url(url: str) -> str:
    """Returns `url` if it is valid and has no query or fragment; raises `UrlError` otherwise."""
    origin_of(url)
    if "?" in url or "#" in url:
        raise UrlError(f"{url!r} has a query or a fragment, which a URL of a peer may not")
    return url


def card_urls(url: str, card_path: str) -> tuple[str, ...]:
    """The URLs where the agent card of a peer may be, the most likely first.

    A `card_path` that starts with a slash is a path on the peer's origin; any other is below its URL.
    Without one, the card is below the URL, at the current well-known path or the one from before
    A2A 0.3.
    """
    base = url.rstrip("/")
    if card_path:
        return (urljoin(base + "/", card_path),)
    return (base + WELL_KNOWN, base + WELL_KNOWN_BEFORE_0_3)
