"""Determines the addresses to call for the interfaces of a card: only on the origin of the peer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from hotpeers_shim.contract import MAX_URL, Interface

from ...base.origin import Origin, UrlError, origin_of
from .interface import GRPC


@dataclass(frozen=True, slots=True)
class Placement:
    """The interfaces with the addresses to call, the preferred one first.

    `stray` says why there is no interface; "" if there is one.
    """

    interfaces: tuple[Interface, ...] = ()
    stray: str = ""


class _StrayError(Exception):
    """An address must not be called: it leads to another origin, or drops TLS; the message says it."""


def place(
    declared: Iterable[Interface], home: str, *, pinned: bool = False, gateway: bool = False
) -> Placement:
    """The interfaces on the origin of `home`, the peer's URL. The others are left out.

    An address without a scheme or a host is completed. An unspecified address (`0.0.0.0`), the
    server's own (`localhost`) and a longer name of the peer's Service mean the peer. With `pinned`,
    every address does. gRPC may use another port on the peer's host. Interfaces on the origin that
    the card was read from come first, because that origin is known to answer.

    With `gateway`, `home` is an Agent at the gateway of kagent 1.x. Its card has the public address of
    the gateway (`a2aGatewayUrl`), which may be another name, port and path of the same server. So
    `home` itself is called, and gRPC at its origin: kagent serves both on one port.
    """
    origin = origin_of(home)
    if gateway:
        target = _target(origin, origin.port)
        found = (replace(one, url=target if one.binding == GRPC else home) for one in declared)
        return Placement(tuple(dict.fromkeys(found)))
    near: list[Interface] = []
    far: list[Interface] = []
    stray = ""
    for one in declared:
        try:
            if one.binding == GRPC:
                url, port = _grpc_address(one.url, origin, pinned)
                (near if port == origin.port else far).append(replace(one, url=url))
            else:
                near.append(replace(one, url=_http_address(one.url, home, origin, pinned)))
        except _StrayError as error:
            stray = stray or str(error)
        except UrlError as error:
            stray = stray or f"the card names an address that is no URL: {error}"
    placed = tuple(dict.fromkeys([*near, *far]))
    return Placement(placed, "" if placed else stray)


def _http_address(text: str, home: str, origin: Origin, pinned: bool) -> str:
    url = _absolute(text, home, origin).partition("#")[0]
    own = origin_of(url)
    if own == origin:
        return _checked(url)
    if not (pinned or _is_here(own, origin)):
        raise _StrayError(f"the card sends calls to {own}, the peer's URL is at {origin}")
    parts = urlsplit(url)
    if parts.path in ("", "/") and not parts.query:
        # A server that does not know its own host does not know the path prefix of its URL either.
        return home
    return _checked(f"{origin}{parts.path}" + (f"?{parts.query}" if parts.query else ""))


def _absolute(text: str, home: str, origin: Origin) -> str:
    if "://" in text.partition("?")[0]:
        return text
    first = text.partition("/")[0]
    # `localhost:8080`, `agent.example/rpc`; without colon and dot it is a path: `rpc/v1`.
    if first and not first.startswith((".", "?", "#")) and _is_host(first):
        return f"{origin.scheme}://{text}"
    return urljoin(home.rstrip("/") + "/", text)


def _is_host(segment: str) -> bool:
    return ":" in segment or "." in segment or segment.lower() == "localhost"


def _grpc_address(text: str, origin: Origin, pinned: bool) -> tuple[str, int]:
    """URL and port of a gRPC target: `host:port`, or a URL with one of several schemes."""
    text = text.removeprefix("dns:///")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    secure = scheme.lower() in ("https", "grpcs") or (not scheme and origin.scheme == "https")
    if scheme.lower() not in ("", "http", "https", "grpc", "grpcs"):
        raise UrlError(f"{text[:200]!r} is not an address of a gRPC server")
    if origin.scheme == "https" and not secure:
        raise _StrayError(f"the card sends calls to {origin.host} without TLS")
    plain = f"{'https' if secure else 'http'}://{rest or origin.host}"
    own = origin_of(plain)
    if scheme == "" and urlsplit(plain).port is None:
        raise UrlError(f"{text[:200]!r} names no port")
    if own.host != origin.host and not (pinned or _is_here(own, origin, any_port=True)):
        raise _StrayError(f"the card sends calls to {own.host}, the peer is at {origin.host}")
    return _target(replace(origin, scheme=own.scheme), own.port), own.port


def _target(origin: Origin, port: int) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return f"{origin.scheme}://{host}:{port}"


def _is_here(own: Origin, home: Origin, *, any_port: bool = False) -> bool:
    """Whether an origin in a card can only mean the peer itself.

    If the peer is on this machine's loopback, another loopback port is another server.
    """
    if own.host == "localhost" or _is_kind(own.host, "is_loopback"):
        far = not (home.host == "localhost" or _is_kind(home.host, "is_loopback"))
        return far or any_port or own.port == home.port
    if _is_kind(own.host, "is_unspecified"):
        return True
    # weather.demo:8080 is weather.demo.svc:8080 is weather.demo.svc.cluster.local:8080.
    longer = own.host.startswith(f"{home.host}.svc.") or own.host == f"{home.host}.svc"
    same = any_port or (own.scheme, own.port) == (home.scheme, home.port)
    return longer and same and home.host.count(".") == 1


def _is_kind(host: str, kind: str) -> bool:
    try:
        return bool(getattr(ip_address(host), kind))
    except ValueError:
        return False


def _checked(url: str) -> str:
    if len(url) > MAX_URL:
        raise UrlError(f"{len(url)} characters; the limit is {MAX_URL}")
    return url
