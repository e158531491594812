"""Listening sockets, for a server that accepts by itself."""

from __future__ import annotations

import asyncio
import errno
import socket

_RECEIVE_BUFFER = 64 * 1024
"""Per connection, in the kernel. This memory counts for the container's limit too."""


async def bind(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Non-blocking sockets that listen at a host; "" means every address. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    unsupported: OSError | None = None
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as error:
                unsupported = error
                continue
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind(address)
            except OSError as error:
                # The kernel may support IPv6 although the host has no IPv6 address.
                if error.errno != errno.EADDRNOTAVAIL or len(found) == 1:
                    raise
                sockets.remove(sock)
                sock.close()
                unsupported = error
                continue
            sock.listen(backlog)
            sock.setblocking(False)
        if not sockets:
            raise unsupported or OSError(errno.EADDRNOTAVAIL, "no address to listen on")
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets
