"""The limits of the port, all in one place; docs/reference.md lists them for operators."""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much callers may cost. Together they stay within the chart's memory limit, 256 MiB."""

    silent: int = 256
    """Connections for which no TLS handshake was begun. They cost a file descriptor."""
    fresh: int = 128
    """Connections with TLS that have no answer yet."""
    kept: int = 128
    """Connections that were answered at least once, and are open for more."""
    handshakes: float = 400.0
    """TLS handshakes that are begun in a second: each costs about a millisecond."""
    handshake_burst: int = 16

    silent_seconds: float = 5.0
    """From the connection to its first byte."""
    head_seconds: float = 5.0
    """From the first byte of a connection, or of a request, to the end of the request's headers."""
    body_seconds: float = 5.0
    """From there to the end of its body; an API server waits no longer for its answer."""
    answer_seconds: float = 15.0
    """From there until the answer is taken."""
    idle_seconds: float = 120.0
    """Between requests. An API server closes idle connections after 90 seconds, and must be first."""

    head_bytes: int = 16 * KIB
    body_bytes: int = 8 * MIB
    """Both objects of an UPDATE, each of which an API server bounds at 3 MiB."""
    small_bytes: int = 64 * KIB
    """Bodies up to this are read without a turn."""
    values: int = 50_000
    """JSON values in a body: members, items, lists and objects."""
    depth: int = 64
    """How deep lists and objects in a body may nest."""

    read_bytes: int = 32 * MIB
    """Of all larger bodies that are being read or answered."""
    read_bytes_each: int = 16 * MIB
    """Of those that come from one address, or are about one subject."""
    parsed_bytes: int = 80 * MIB
    """What all bodies take once they are parsed, as it is estimated."""
    parsed_bytes_each: int = 56 * MIB
    turn_seconds: float = 2.0
    """How long a body waits for a turn."""
