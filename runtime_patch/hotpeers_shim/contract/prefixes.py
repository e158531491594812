"""URL prefixes: an origin, and optionally a path, below which a credential is sent. Pure.

A prefix covers a URL of the same scheme, host and port whose path begins with its path, segment by
segment. Whatever can be read in two ways is covered by nothing: dot segments, encoded slashes and
dots, empty segments, path parameters. A server may resolve these to a path outside of the prefix.
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
# Printable ASCII without the backslash, which browsers and some servers take for a slash.
_FORBIDDEN = re.compile(r"[^\x21-\x5b\x5d-\x7e]")
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
# %2e, %2f, %5c, %25, %3b and control characters; a percent sign that begins no octet.
_UNCLEAR = re.compile(r"%(?:2[ef5]|5c|3b|[01][0-9a-f]|7f|(?![0-9a-f]{2}))", re.IGNORECASE)


class PrefixError(ValueError):
    """The text is no prefix. The message holds nothing of the text, which may be a secret."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """Scheme, host and port, normalised, and the decoded segments of a path."""

    scheme: str
    host: str
    port: int
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        port = "" if _PORTS[self.scheme] == self.port else f":{self.port}"
        return "/".join([f"{self.scheme}://{self.host}{port}", *self.path])

    def covers(self, place: Prefix) -> bool:
        """Whether a place is below this prefix."""
        mine = (self.scheme, self.host, self.port)
        same = mine == (place.scheme, place.host, place.port)
        return same and place.path[: len(self.path)] == self.path


class HasPrefix(Protocol):
    """Anything that is meant for what is below a prefix."""

    @property
    def prefix(self) -> Prefix:
        """Its prefix."""


T = TypeVar("T", bound=HasPrefix)


def parse_prefix(text: str) -> Prefix:
    """The prefix that a text names; raises `PrefixError`."""
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
    """Where a URL leads, in the form of a prefix; None where that is not clear."""
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
        # Python 3.11 takes what is in brackets for the host, whatever stands before it.
        return None
    host = _host(parts.hostname or "")
    path = _segments(parts.path)
    if not host or path is None:
        return None
    return Prefix(scheme, host, port or _PORTS[scheme], path)


def longest(entries: Iterable[T], url: str) -> T | None:
    """The entry with the longest prefix that covers a URL; None where there is none."""
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
    # A name with a dot at its end is another one to a certificate and to some servers.
    return host if _HOST.fullmatch(host) and not host.endswith(".") else ""


def _segments(path: str) -> tuple[str, ...] | None:
    if ";" in path or _UNCLEAR.search(path):
        return None
    # One slash at the end says no more than none.
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
