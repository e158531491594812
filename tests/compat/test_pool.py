"""The connections to peers."""

import asyncio
from urllib.parse import urlsplit

import psutil
from harness import peer

from hotpeers_shim.calls import pool
from hotpeers_shim.contract import Peer
from hotpeers_shim.settings import Settings


def open_ports(server):
    """This process's ends of its connections to a server."""
    port = urlsplit(server.url).port
    found = psutil.Process().net_connections("tcp")
    return {
        one.laddr.port
        for one in found
        if one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
    }


async def test_idle_connection_is_not_reused(start_server):
    server = start_server()
    weather = Peer(**peer("weather", server), toolName="weather")
    async with pool.Pool(Settings.read({})).lease(weather) as client:
        await client.http.get(f"{server.url}/log")
        before = open_ports(server)
        # Shorter than the keep-alive timeout of uvicorn: the server is not the side that closes.
        await asyncio.sleep(pool.IDLE_SECONDS + 0.5)
        assert open_ports(server) == before
        await client.http.get(f"{server.url}/log")
        assert len(before) == 1
        assert not open_ports(server) & before


async def test_connections_end_with_the_definition_of_their_peer(start_server):
    server = start_server()
    weather = Peer(**peer("weather", server), toolName="weather")
    # Nothing has made this definition live: the client is closed with its last call.
    async with pool.Pool(Settings.read({})).lease(weather) as client:
        await client.http.get(f"{server.url}/log")
        assert open_ports(server)
    assert not open_ports(server)
