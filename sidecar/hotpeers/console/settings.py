"""The settings of `hotpeers console`, checked at the start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Self
from urllib.parse import urlsplit

from ..base.errors import SettingsError
from ..base.settings import Listen, check_server_url, parse_hosts, parse_listen
from .clients import Network

AUDIENCE = "hotpeers-console"
_AUDIENCE = re.compile(r"[!-~]{1,253}")


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Where the console serves, and whose tokens it accepts.

    `audience` is what tokens must be made for; "" stands for the API server. `public_url` is where
    browsers reach it, "" if by a port-forward. `hosts` are further names that a browser may use.
    `proxies` are trusted to name the client in X-Forwarded-For.
    """

    listen: Listen
    health_listen: Listen | None
    audience: str = AUDIENCE
    public_url: str = ""
    hosts: frozenset[str] = frozenset()
    proxies: tuple[Network, ...] = ()
    kubeconfig: str = ""
    context: str = ""

    @classmethod
    def parse(cls, **raw: str) -> Self:
        """Check flags and environment. Raises `SettingsError`, which names the invalid setting."""
        listen = parse_listen(raw["listen"])
        if listen is None:
            raise SettingsError(
                "--listen (HOTPEERS_LISTEN): the pages need an address: HOST:PORT, not none"
            )
        if not _AUDIENCE.fullmatch(raw["audience"]):
            raise SettingsError(
                f"--audience (HOTPEERS_AUDIENCE): {raw['audience'][:80]!r} is not an audience: "
                "printable ASCII without spaces, up to 253 characters; none stands for the API server"
            )
        public_url = raw["public_url"].rstrip("/")
        hosts = set(parse_hosts(raw["allowed_hosts"]))
        if public_url:
            flag = "--public-url (HOTPEERS_PUBLIC_URL)"
            check_server_url(public_url, flag)
            parts = urlsplit(public_url)
            if parts.path:
                raise SettingsError(
                    f"{flag}: {public_url[:80]!r} has a path; it needs a host of its own"
                )
            hosts.add((parts.hostname or "").rstrip("."))
        return cls(
            listen=listen,
            health_listen=parse_listen(
                raw["health_listen"], "--health-listen (HOTPEERS_HEALTH_LISTEN)"
            ),
            audience="" if raw["audience"] == "none" else raw["audience"],
            public_url=public_url,
            hosts=frozenset(hosts),
            proxies=_parse_networks(raw["trusted_proxies"]),
            kubeconfig=raw["kubeconfig"],
            context=raw["context"],
        )


def _parse_networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(map(ip_network, text.replace(",", " ").split()))
    except ValueError as error:
        raise SettingsError(
            f"--trusted-proxies (HOTPEERS_TRUSTED_PROXIES): {error}; "
            "write addresses or ranges such as 10.0.0.0/8, separated by commas"
        ) from error
