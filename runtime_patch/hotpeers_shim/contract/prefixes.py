"""URL prefixes: an origin, and optionally a path, below which a credential is sent. Pure.

A prefix covers a URL if scheme, host and port are equal, and the segments of the URL's path begin
with those of the prefix. No prefix covers an ambiguous URL: one with dot segments, encoded slashes
or dots, empty segments or path parameters. A server may resolve it to a path outside of the prefix.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from .limits import MAX_URL

_PORTS = {"http": 80, "https": 443}
# All but printable ASCII, and the backslash: browsers and some servers treat it as a slash.
_FORBIDDEN = re.compile(r"[^\x21-\x5b\x5d-\x7e]")
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
# %2e, %2f, %5c, %25, %3b, encoded control characters, and a percent sign without two hex digits.
_UNCLEAR = re.compile(r"%(?:2[ef5]|5c|3b|[01][0-9a-f]|7f|(?![0-9a-f]{2}))", re.IGNORECASE)


class PrefixError(ValueError):
    """The text is not a prefix. The message does not quote the text, which may be a secret."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """The normalised scheme, host and port, and the decoded segments of the path."""

    scheme: str
    host: str
    port: int
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        port = "" if _PORTS[self.scheme] == self.port else f":{self.port}"
        return "/".join([f"{self.scheme}://{self.host}{port}", *self.path])

    def covers(self, place: Prefix) -> bool:
        """Whether `place` is equal to this prefix or below it."""
        mine = (self.scheme, self.host, self.port)
        same = mine == (place.scheme, place.host, place.port)
        return same and place.path[: len(self.path)] == self.path


class HasPrefix(Protocol):
    """Any object that applies to the URLs below its prefix."""

    @property
    def prefix(self) -> Prefix:
        """The prefix of the URLs that the object applies to."""


T = TypeVar("T", bound=HasPrefix)


def parse_prefix(text: str) -> Prefix:
    """Parse a prefix. Raises `PrefixError`."""
    if len(text) > MAX_URL:
        raise PrefixError(f"a prefix has at most {MAX_URL} characters")
    if "?" in text or "#" in text or "%" in text:
        raise PrefixError("a prefix has no query, no fragment and no percent sign")
    found = place_of(text)
    if found is None:
        raise PrefixError(
            "a prefix is http(s)://host[:port][/path], without user name, dot segments, "
            "empty segments, backslashes and semicolons"
        )
    return found


def place_of(url: str) -> Prefix | None:
    """The place of a URL, in the form of a prefix; None if the URL is invalid or ambiguous."""
    if len(url) > 4 * MAX_URL or _FORBIDDEN.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or "@" in parts.netloc or port == 0:
        return None
    if "[" in parts.netloc[1:]:
        # Python 3.11 takes the text in brackets as the host and ignores any text before it.
        return None
    host = _host(parts.hostname or "")
    path = _segments(parts.path)
    if not host or path is None:
        return None
    return Prefix(scheme, host, port or _PORTS[scheme], path)


def longest(entries: Iterable[T], url: str) -> T | None:
    """The entry with the longest prefix that covers a URL; None if no entry does."""
    place = place_of(url)
    if place is None:
        return None
    covering = [entry for entry in entries if entry.prefix.covers(place)]
    return max(covering, key=lambda entry: len(entry.prefix.path), default=None)


def _host(text: str) -> str:
    host = text.lower()
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError:
            return ""
    # Certificates and some servers distinguish a name with a dot at its end from the one without.
    return host if _HOST.fullmatch(host) and not host.endswith(".") else ""


def _segments(path: str) -> tuple[str, ...] | None:
    if ";" in path or _UNCLEAR.search(path):
        return None
    # A single slash at the end has no meaning here.
    inner = path.removeprefix("/").removesuffix("/")
    if not inner:
        return () if path in ("", "/") else None
    segments = inner.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        return None
    try:
        return tuple(unquote(segment, errors="strict") for segment in segments)
    except UnicodeDecodeError:
        return None
