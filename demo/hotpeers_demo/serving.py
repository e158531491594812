"""How a server of the demonstration is run as a process of its own."""

import argparse
import json
import socket
import sys

import uvicorn
from starlette.applications import Starlette

HOST = "127.0.0.1"


def arguments(description: str) -> argparse.ArgumentParser:
    """Begin the command line that every server here shares."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default=HOST, help="the address to listen on; 0.0.0.0 is all")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    return parser


def bind(port: int, host: str = HOST) -> socket.socket:
    """Listen, by default on the loopback interface; from now on connections wait for the server."""
    # The protocol is named, since asyncio sets TCP_NODELAY only where it is: without, each answer
    # waits 40 ms for the client's delayed acknowledgement.
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
    """Print the address as one JSON line, then serve until told to stop."""
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
