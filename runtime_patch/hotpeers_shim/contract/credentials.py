"""The credential file: which headers, authorities and way a request to a URL takes.

The sidecar writes it beside the peer file, readable by the agent's user alone. It holds short-lived
headers and public certificates. Client secrets and private keys never enter it.
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
"""Largest credential file that is read, in bytes."""
MAX_CREDENTIALS = 256
"""Most entries of a credential file."""
MAX_HEADERS = 16
"""Most headers of one entry."""
MAX_HEADER = 16 * 1024
"""Longest value of a header, in characters."""
MAX_CA = 256 * 1024
"""Longest bundle of authorities of one entry, in characters of PEM."""
MAX_MISSING = 500
"""Longest reason why there is no token, in characters."""
RELAY_KEY = "x-hotpeers-key"
"""The header by which the relay knows the agent."""
RELAY_TARGET = "x-hotpeers-target"
"""The header that tells the relay the origin to call."""
RELAY_FAULT = "x-hotpeers-fault"
"""The header of an answer that is the relay's own, and not the peer's."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
_LOOPBACK = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}")
# What belongs to a connection, to the message or to the A2A libraries.
_NOT_CREDENTIALS = {"accept", "accept-encoding", "connection", "content-encoding", "content-length"}
_NOT_CREDENTIALS |= {"content-type", "expect", "host", "keep-alive", "proxy-authenticate", "te"}
_NOT_CREDENTIALS |= {"proxy-connection", "trailer", "transfer-encoding", "upgrade"}


@dataclass(frozen=True, slots=True)
class Credential:
    """What belongs to requests below one prefix.

    `headers` are set on each. `ca` is PEM text of further authorities, besides those of the system.
    `via` is the relay on loopback that requests go through where they need a client certificate, and
    `key` what the relay asks for. `until` is when the headers expire, in seconds since the epoch, 0
    where that is not known: a sidecar that restarts goes on with them. `missing` says why there is no
    token now: without one a request is not sent.
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
    """All entries; which one belongs to a URL is decided by `prefixes.longest`."""

    credentials: tuple[Credential, ...] = ()


def is_header(name: str, value: str) -> bool:
    """Whether a header can carry a credential, and nothing that belongs to the message itself."""
    good = _TOKEN.fullmatch(name) and len(value) <= MAX_HEADER and _VALUE.fullmatch(value)
    lower = name.lower()
    return bool(good) and lower not in _NOT_CREDENTIALS and not lower.startswith("x-hotpeers-")


def dump_credential_file(credentials: Iterable[Credential]) -> bytes:
    """The file in JSON."""
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
    """Read the file; never raises. A rejection quotes no value of it."""
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
