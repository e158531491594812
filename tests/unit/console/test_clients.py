"""Whom a proxy names as the client."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from hotpeers.console.clients import client_of

PROXIES = tuple(map(ip_network, ("10.0.0.0/8", "fd00::/8")))


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        # Not through a proxy: anybody may write the header.
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.7, 10.2.3.4"], "198.51.100.7"),
        ("10.0.0.1", ["10.9.9.9, 10.2.3.4"], "10.9.9.9"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("fd00::1", ["[2001:db8::1]:4711"], "2001:db8::/64"),
        ("fd00::1%eth0", ["2001:db8::2%1"], "2001:db8::/64"),
        # Of a text that is no address, the proxy that sent it is the client.
        ("10.0.0.1", ["198.51.100.7, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7, "], "10.0.0.1"),
        ("10.0.0.1", ["\x00<script>" * 9_000], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2," * 3_000 + "10.0.0.3"], "10.0.0.2"),
        ("", ["198.51.100.7"], ""),
    ],
    ids=range(16),
)
def test_client_of_a_request(remote: str, forwarded: list[str], client: str) -> None:
    assert client_of(remote, forwarded, PROXIES) == client


def test_no_proxy_is_trusted_without_a_setting() -> None:
    assert client_of("10.0.0.1", ["198.51.100.7"], ()) == "10.0.0.1"
