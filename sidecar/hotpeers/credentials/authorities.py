"""Certificates: bundles of authorities, and pairs of a client certificate and its private key."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache


class PemError(ValueError):
    """The text is not what it should be, in PEM; the message holds nothing of it."""


@lru_cache(maxsize=32)
def server_context(ca: str = "") -> ssl.SSLContext:
    """A context that trusts the system's authorities and those in `ca`; `PemError` if it has none."""
    context = ssl.create_default_context()
    if ca:
        try:
            context.load_verify_locations(cadata=ca)
        except (ssl.SSLError, ValueError):
            raise PemError("the bundle of authorities holds no certificate in PEM") from None
    return context


def client_context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """A context that shows a client certificate; `PemError` where the pair does not fit."""
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=ca)
    # OpenSSL reads certificate and key from files alone: this one lies in memory and has no name.
    descriptor = os.memfd_create("pair", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(f"{certificate}\n{key}\n".encode())
        # Without a password it would ask the terminal for one.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")
    except (ssl.SSLError, OSError, ValueError, TypeError):
        raise PemError(
            "the client certificate and its private key are no pair in PEM, or the key has a password"
        ) from None
    finally:
        os.close(descriptor)
    return context


def check_authorities(ca: str) -> None:
    """Refuse a bundle that holds no certificate; `PemError` says so."""
    if ca:
        server_context(ca)


def check_pair(certificate: str, key: str) -> None:
    """Refuse a certificate and a key that do not fit; `PemError` says so."""
    if certificate or key:
        client_context("", certificate, key)
