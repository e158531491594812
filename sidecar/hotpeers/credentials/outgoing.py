"""What the sidecar's own requests take along: those for agent cards."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hotpeers_shim.contract.prefixes import Prefix, longest

from .authorities import client_context, server_context
from .document import Entry


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The headers of requests below a prefix, and the TLS context of their connections."""

    prefix: Prefix
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = None


class OutgoingByUrl:
    """Finds what belongs to a URL; empty until it is told."""

    def __init__(self) -> None:
        self._all: tuple[Outgoing, ...] = ()
        self._contexts: dict[tuple[str, str], ssl.SSLContext] = {}

    def of(self, url: str) -> Outgoing | None:
        """What belongs to requests to a URL; None where nothing does."""
        return longest(self._all, url)

    def follow(self, entries: Iterable[tuple[Entry, Mapping[str, str]]]) -> None:
        """Use these from now on: each entry with all of its headers."""
        made, contexts = [], {}
        for entry, headers in entries:
            context = None
            if entry.certificate:
                # By the pair: a context takes milliseconds to make, and headers change often.
                pair = (entry.ca, entry.certificate + entry.key)
                context = contexts[pair] = self._contexts.get(pair) or client_context(
                    entry.ca, entry.certificate, entry.key
                )
            elif entry.ca:
                context = server_context(entry.ca)
            made.append(Outgoing(entry.prefix, headers, context))
        self._all, self._contexts = tuple(made), contexts
