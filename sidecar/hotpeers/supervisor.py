"""Runs a command of hotpeers, and runs it again when it crashes: the entry point of a bridge.

    python -m hotpeers.supervisor run --source kubernetes

An agent without its bridge fails every turn (kagent's Go runtime), and kubelet waits 10 seconds and
more before it restarts a container. So this process binds the bridge's address and keeps it. While
the command starts anew, connections wait instead of being refused. It imports only the standard
library, to stay small. A command that cannot run at all ends this process too, so that kubelet shows it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Sequence

LISTEN = "HOTPEERS_BRIDGE_LISTEN"
LISTENER = "HOTPEERS_BRIDGE_FD"
"""Tells the command the file descriptor of the socket that listens on the bridge's address."""

STEADY_SECONDS = 10.0
"""A command that ran for so long was healthy: the next crash counts as the first one."""
MAX_CRASHES = 5
"""After so many crashes in a row, this process ends."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0, 4.0
_BACKLOG = 512


def supervise(arguments: Sequence[str]) -> int:
    """Run `python -m hotpeers ARGUMENTS` until it ends by itself or by a signal. Returns its code."""
    listener = _listener(os.environ.get(LISTEN, ""))
    child = _Child([sys.executable, "-m", "hotpeers", *arguments], listener)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, child.stop)
    crashes = 0
    while True:
        began = time.monotonic()
        code = child.run()
        if child.stopped or code == 0:
            return code
        crashes = 1 if time.monotonic() - began > STEADY_SECONDS else crashes + 1
        if crashes >= MAX_CRASHES:
            _say(f"the command ended {crashes} times in a row, last with code {code}: giving up")
            return code
        pause = min(_FIRST_PAUSE if crashes == 1 else 0.5 * 2 ** (crashes - 2), _LONGEST_PAUSE)
        _say(f"the command ended with code {code}: it is started again in {pause:g} s")
        child.pause(pause)


class _Child:
    """The command, one process at a time."""

    def __init__(self, command: list[str], listener: socket.socket | None) -> None:
        self._command = command
        self._listener = listener
        self._pid = 0
        self.stopped = False

    def stop(self, number: int, _frame: object) -> None:
        """Pass a signal on, and start the command no more."""
        self.stopped = True
        if self._pid:
            os.kill(self._pid, number)

    def run(self) -> int:
        """Run the command once. Returns its exit code, 128 and the signal if one ended it."""
        if self.stopped:
            return 0
        environment = dict(os.environ)
        if self._listener is not None:
            environment[LISTENER] = str(self._listener.fileno())
        # A signal between the start and the assignment would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        self._pid = os.posix_spawn(self._command[0], self._command, environment, setsigmask=())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        while True:
            # As process 1 of a container, this one also gets the orphans of others.
            pid, status = os.wait()
            if pid == self._pid:
                self._pid = 0
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond a signal to end."""
        end = time.monotonic() + seconds
        while not self.stopped and time.monotonic() < end:
            time.sleep(0.05)


def _listener(address: str) -> socket.socket | None:
    host, _, port = address.rpartition(":")
    if not port.isascii() or not port.isdigit():
        return None  # the command says what is wrong with the setting
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), int(port)))
    except OSError as error:
        listener.close()
        _say(f"cannot listen on {address}: {error.strerror or error}")
        return None
    listener.listen(_BACKLOG)
    listener.set_inheritable(True)
    return listener


def _say(text: str) -> None:
    sys.stderr.write(f"hotpeers.supervisor: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(supervise(sys.argv[1:]))
