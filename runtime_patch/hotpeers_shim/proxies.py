"""Chooses the proxy of a request from environment variables. Pure, standard library only.

The sidecar and the shim both use `proxy_for`, so that the fetch of a card and a call of its agent
take the same route. The HTTP clients of both ignore CIDRs in `NO_PROXY`, and neither knows the
short names of Services.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_SERVICE_SUFFIXES = (".svc", ".svc.cluster.local")


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The URL of the proxy for a request to `url`, or None for a direct connection.

    The proxy is in `<scheme>_proxy` or else in `all_proxy`; `no_proxy` lists the exceptions. The
    lower-case name of a variable wins over the upper-case one. An empty variable means "no proxy".
    A proxy without a scheme gets `http://`. A malformed URL has no proxy: the request will fail
    with a clear error later.

    Commas or spaces separate the exceptions. An exception is `*` (every host), an address, a CIDR,
    or a host, which includes its subdomains; a host may begin with a dot or `*.`. All but the CIDR
    can have a port. The loopback of this machine is always an exception: no proxy can reach it.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    if not host or parts.scheme not in _PORTS or _is_loopback(host):
        return None
    found = _variable(environ, f"{parts.scheme}_proxy", "all_proxy")
    if not found:
        return None
    names = [host, *_service_names(host, port)]
    number = port or _PORTS[parts.scheme]
    for entry in re.split(r"[\s,]+", _variable(environ, "no_proxy").lower()):
        if entry and any(_is_excepted(name, number, entry) for name in names):
            return None
    return found if "://" in found else f"http://{found}"


def shown_proxy(proxy: str) -> str:
    """The proxy's URL for error messages: scheme, host and port, without user and password."""
    try:
        parts = urlsplit(proxy)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "a malformed proxy URL"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def _variable(environ: Mapping[str, str], *names: str) -> str:
    for name in names:
        # In a CGI program HTTP_PROXY is a header of the request (httpoxy).
        upper = "" if name == "http_proxy" and "REQUEST_METHOD" in environ else name.upper()
        for spelling in (name, upper):
            if spelling in environ:
                return environ[spelling].strip()
    return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _service_names(host: str, port: int | None) -> list[str]:
    """The longer names of a Service for its short name, as a pod's resolver would complete it.

    They let `name` and `name.namespace` match an exception that names the cluster's domain.
    A host with one dot counts as `name.namespace` only if the URL has a port: otherwise it may be a
    public name such as `example.com`.
    """
    dots = host.count(".")
    if dots > 1 or (dots == 1 and port is None) or _address(host):
        return []
    return [host + suffix for suffix in _SERVICE_SUFFIXES]


def _address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_excepted(host: str, port: int, entry: str) -> bool:
    if entry == "*":
        return True
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    name, separator, digits = entry.rpartition(":")
    if separator and digits.isdigit() and (name.count(":") == 0 or name.startswith("[")):
        if int(digits) != port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").strip(".")
    return bool(entry) and (host == entry or host.endswith("." + entry))
