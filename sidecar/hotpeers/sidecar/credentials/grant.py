"""The grants of a credentials document, as plain values. Their `repr` shows no secrets."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from hotpeers_shim.contract.prefixes import Prefix


@dataclass(frozen=True, slots=True)
class OAuth2:
    """A client of an authorization server. `context` is its TLS context; None is the default one."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] = ()
    audience: str = ""
    authentication: str = "client_secret_basic"
    ca: str = field(default="", repr=False)
    context: ssl.SSLContext | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """The credentials for requests below a URL prefix.

    `context` is the TLS context with the private authorities and the client certificate; None is the
    default one. With `cards_only`, the headers are sent when agent cards are read, and not with calls.
    """

    prefix: Prefix
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    oauth2: OAuth2 | None = None
    ca: str = field(default="", repr=False)
    context: ssl.SSLContext | None = field(default=None, compare=False, repr=False)
    has_certificate: bool = False
    cards_only: bool = False
