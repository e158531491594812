"""The address of the client behind trusted proxies. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_MOST_HOPS = 32
_OF_ONE_SITE = 64


def client_of(remote: str, forwarded: Iterable[str], trusted: Sequence[Network]) -> str:
    """The client of a connection from `remote`, as text to count by.

    `forwarded` has the values of X-Forwarded-For. Each proxy adds the address that it was connected from
    at the right, and a client can put anything before that. So they are read from the right, as long as
    the sender of an entry is in `trusted`. An IPv6 client counts by its network of 64 bits, since it can
    choose the rest of its address.
    """
    found = _read(remote)
    if found is None:
        return remote
    hops = ",".join(forwarded).rsplit(",", _MOST_HOPS)
    for hop in reversed(hops[-_MOST_HOPS:]):
        if not any(found in one for one in trusted):
            break
        before = _read(hop)
        if before is None:
            break
        found = before
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _OF_ONE_SITE), strict=False))
    return str(found)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    """An address, with or without a port; None if the text is another."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found
