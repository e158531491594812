"""All limits of the port. docs/reference/http.md lists them for operators."""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much callers may cost. All limits together fit the chart's memory limit of 256 MiB."""

    silent: int = 256
    """Connections whose TLS handshake was not begun yet. Each costs a file descriptor."""
    fresh: int = 128
    """Connections with TLS that got no answer yet."""
    kept: int = 128
    """Connections that got at least one answer, and stay open for more requests."""
    handshakes: float = 400.0
    """TLS handshakes begun per second. Each costs about a millisecond."""
    handshake_burst: int = 16

    silent_seconds: float = 5.0
    """From the start of a connection to its first byte."""
    head_seconds: float = 5.0
    """From the first byte of a connection, or of a request, to the end of the request's headers."""
    body_seconds: float = 5.0
    """From the end of the headers to the end of the body. An API server waits no longer for its
    answer."""
    answer_seconds: float = 15.0
    """From the end of the body until the caller has taken the answer."""
    idle_seconds: float = 120.0
    """Between requests. An API server closes idle connections after 90 s, and must be first."""

    head_bytes: int = 16 * KIB
    body_bytes: int = 8 * MIB
    """Enough for both objects of an UPDATE: an API server limits each to 3 MiB."""
    small_bytes: int = 64 * KIB
    """Bodies up to this are read without a turn."""
    values: int = 50_000
    """JSON values in a body: members, items, lists and objects."""
    depth: int = 64
    """How deep lists and objects in a body may nest."""

    read_bytes: int = 32 * MIB
    """Of all larger bodies that are being read."""
    read_bytes_each: int = 16 * MIB
    """Of the larger bodies from one address, or of one subject."""
    parsed_bytes: int = 80 * MIB
    """The estimated memory of all parsed bodies."""
    parsed_bytes_each: int = 56 * MIB
    turn_seconds: float = 2.0
    """How long a body waits for a turn."""
