"""Which names a server answers to: none that the DNS of a stranger could lead here (rebinding).

A page of `evil.example` may have its own name resolve to this address; its browser then sends that
name as the Host. It can have no address, and no name that public DNS does not hold.
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
    """Whether a Host header names this server: by an address, an internal name or one of `names`."""
    name = _name_of(host)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(_INTERNAL) or name in names)
    return True


def _name_of(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".").lower()


def make_host_check(names: frozenset[str]) -> Callable[..., Awaitable[web.StreamResponse]]:
    """A middleware that refuses requests to another host than this one; `names` are more of its own."""
    own = names | {socket.gethostname().lower()}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        # HTTP/1.0 has no Host; browsers do not speak it.
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
