"""Checks the Host header of requests, as a protection against DNS rebinding.

An attacker can make `evil.example` resolve to the address of this server. A browser that shows a page
of `evil.example` then sends requests here, with `evil.example` as their Host. The attacker cannot do
that with an IP address as the Host, nor with a name that public DNS does not have. So only those
are accepted, and the names that the operator allows.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from hotpeers_shim.contract import clean_text

_INTERNAL = (".localhost", ".svc", ".cluster.local")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_allowed(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header is accepted: an IP address, an internal name or one of `names`."""
    name = _name_of(host)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(_INTERNAL) or name in names)
    return True


def _name_of(host: str) -> str:
    if host.startswith("["):
        address, _, port = host[1:].partition("]")
        return address if not port or port.startswith(":") else ""
    return host.partition(":")[0].rstrip(".").lower()


def make_host_check(names: frozenset[str]) -> Callable[..., Awaitable[web.StreamResponse]]:
    """A middleware that answers 421 if the Host is not accepted.

    `names` are accepted in addition to the host name of this machine.
    """
    own = names | {socket.gethostname().lower()}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        # A request without a Host is accepted: only HTTP/1.0 allows it, and browsers do not use it.
        for host in request.headers.getall("Host", ()):
            if not is_allowed(host, own):
                shown = clean_text(host, 80)
                text = (
                    f"the Host {shown!r} is not known here: use an IP address or localhost, or allow "
                    "the name with --allowed-hosts (HOTPEERS_ALLOWED_HOSTS)\n"
                )
                return web.Response(text=text, status=421)
        return await handler(request)

    return check
