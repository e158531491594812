"""The credential file: the headers, TLS authorities and relay for requests to a URL.

The sidecar writes it beside the peer file, and only the agent's user can read it. It contains
short-lived headers and public certificates. It never contains client secrets or private keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .codec import decode, encode
from .fields import check_text, get_list, get_object, get_text, wrong
from .limits import API_VERSION, MAX_NAME, MAX_URL
from .prefixes import Prefix, PrefixError, parse_prefix
from .values import Rejection

CREDENTIAL_FILE = "credentials.json"
"""The name of the file, in the folder of the peer file."""
MAX_CREDENTIAL_BYTES = 4 * 1024 * 1024
"""The largest credential file, in bytes."""
MAX_CREDENTIALS = 256
"""The largest number of entries of a credential file."""
MAX_HEADERS = 16
"""The largest number of headers of one entry."""
MAX_HEADER = 16 * 1024
"""The longest value of a header, in characters."""
MAX_CA = 256 * 1024
"""The longest bundle of authorities of one entry, in characters of PEM."""
MAX_MISSING = 500
"""The longest reason for a missing token, in characters."""
RELAY_KEY = "x-hotpeers-key"
"""The request header with the key by which the relay recognizes the agent."""
RELAY_TARGET = "x-hotpeers-target"
"""The request header with the origin that the relay has to call."""
RELAY_FAULT = "x-hotpeers-fault"
"""The response header that marks an error of the relay itself, not of the peer."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
_LOOPBACK = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}")
# Headers that belong to a connection, to the message or to the A2A libraries.
_NOT_CREDENTIALS = {"accept", "accept-encoding", "connection", "content-encoding", "content-length"}
_NOT_CREDENTIALS |= {"content-type", "expect", "host", "keep-alive", "proxy-authenticate", "te"}
_NOT_CREDENTIALS |= {"proxy-connection", "trailer", "transfer-encoding", "upgrade"}


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential for requests below one prefix.

    `headers` are set on each request. `ca` is PEM text of further authorities, in addition to those
    of the system. `via` is the URL of the relay on loopback, for requests that need a client
    certificate, and `key` is the key that the relay requires. `until` is when the headers expire,
    in seconds since the epoch (0 = unknown); a restarted sidecar continues to use them. `missing`
    is the reason if the token is missing now: requests are then not sent.
    """

    prefix: Prefix
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca: str = field(default="", repr=False)
    via: str = ""
    key: str = field(default="", repr=False)
    until: int = 0
    missing: str = ""


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """All entries. `prefixes.longest` finds the one for a URL."""

    credentials: tuple[Credential, ...] = ()


def is_header(name: str, value: str) -> bool:
    """Whether a header is valid and may carry a credential. Headers of the message are excluded."""
    good = _TOKEN.fullmatch(name) and len(value) <= MAX_HEADER and _VALUE.fullmatch(value)
    lower = name.lower()
    return bool(good) and lower not in _NOT_CREDENTIALS and not lower.startswith("x-hotpeers-")


def dump_credential_file(credentials: Iterable[Credential]) -> bytes:
    """Encode the credential file as JSON."""
    items = [
        {
            "prefix": str(one.prefix),
            "headers": dict(one.headers),
            "ca": one.ca,
            "via": one.via,
            "key": one.key,
            "until": one.until,
            "missing": one.missing,
        }
        for one in credentials
    ]
    return encode({"apiVersion": API_VERSION, "credentials": items})


def load_credential_file(raw: bytes) -> CredentialFile | Rejection:
    """Decode and check the credential file. Never raises. A `Rejection` quotes no value."""
    return decode(raw, MAX_CREDENTIAL_BYTES, _build)


def _build(data: dict[str, Any]) -> CredentialFile:
    items = get_list(data, "", "credentials")
    if len(items) > MAX_CREDENTIALS:
        raise wrong("credentials", f"{len(items)} entries; the limit is {MAX_CREDENTIALS}")
    return CredentialFile(
        tuple(_credential(item, f"credentials[{at}]") for at, item in enumerate(items))
    )


def _credential(item: Any, path: str) -> Credential:
    data = get_object(item, path)
    try:
        prefix = parse_prefix(get_text(data, path, "prefix", MAX_URL, required=True))
    except PrefixError as error:
        raise wrong(f"{path}.prefix", str(error)) from error
    via = get_text(data, path, "via", MAX_NAME)
    if via and not _LOOPBACK.fullmatch(via):
        raise wrong(f"{path}.via", "only http://127.0.0.1:PORT is allowed")
    return Credential(
        prefix=prefix,
        headers=_headers(data.get("headers", {}), f"{path}.headers"),
        ca=get_text(data, path, "ca", MAX_CA),
        via=via,
        key=get_text(data, path, "key", MAX_NAME),
        until=_until(data.get("until", 0), f"{path}.until"),
        missing=get_text(data, path, "missing", MAX_MISSING),
    )


def _until(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise wrong(path, "seconds since the epoch are needed, a whole number")
    return value


def _headers(value: Any, path: str) -> Mapping[str, str]:
    data = get_object(value, path)
    if len(data) > MAX_HEADERS:
        raise wrong(path, f"{len(data)} headers; the limit is {MAX_HEADERS}")
    for number, (name, text) in enumerate(data.items()):
        if not is_header(name, check_text(text, path, f"[{number}]", MAX_HEADER)):
            raise wrong(path, f"header {number} cannot be sent as a credential")
    return MappingProxyType(data)
