"""Which proxy a request goes through, by the environment's variables. Pure, standard library only.

The sidecar and the shim both ask `proxy_for`, so that a card and a call take the same way. The HTTP
clients of both read `NO_PROXY` without CIDRs, and neither knows the short names of Services.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_SERVICE_SUFFIXES = (".svc", ".svc.cluster.local")


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The URL of the proxy for a request to `url`, or None where it goes straight to its host.

    The variables are `<scheme>_proxy`, then `all_proxy`, each in lower case first; `no_proxy` lists
    the exceptions. A variable that is empty counts as one that says "no proxy". A proxy without a
    scheme is `http://`. A URL that is malformed has no proxy: whoever sends it will say so.

    Exceptions, separated by commas or spaces: `*` (every host), an address, a CIDR, a host (with all
    hosts below it, also where it begins with a dot or `*.`), each but the CIDR with an optional port.
    This machine's own loopback is always one: no proxy can reach it.
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
    """A proxy as an error may name it: scheme, host and port, without a user and password."""
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
    """Longer names of a Service that a pod calls by its short one, as its resolver completes them.

    `name` and `name.namespace` are inside of the cluster where exceptions name the cluster's domain.
    `name.namespace` is told from a public name such as `example.com` by its port.
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
