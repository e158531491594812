"""Runs a server of the demonstration as a separate process."""

import argparse
import json
import socket
import sys

import uvicorn
from starlette.applications import Starlette

HOST = "127.0.0.1"


def arguments(description: str) -> argparse.ArgumentParser:
    """Create a parser with the arguments that all servers share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default=HOST, help="address to listen on; 0.0.0.0 means all")
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on; 0 chooses a free one"
    )
    return parser


def bind(port: int, host: str = HOST) -> socket.socket:
    """Listen, by default on the loopback interface. Connections wait until the server accepts them."""
    # Name the protocol, because asyncio sets TCP_NODELAY only on such sockets. Without TCP_NODELAY,
    # each answer waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(128)
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address of a listening socket."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


def serve(app: Starlette, listener: socket.socket) -> None:
    """Print the address as one JSON line, then serve until SIGTERM or SIGINT."""
    sys.stdout.write(json.dumps({"url": url_of(listener)}) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        app,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
        access_log=False,
        server_header=False,
    )
    uvicorn.Server(config).run(sockets=[listener])
