"""Processes that end when the tests end, even if those are killed; and free ports."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

_GRACE = 15.0
# Below the ephemeral ports: otherwise an outgoing connection could hold the port of a server that
# is about to start or restarts. Also below the NodePorts of Kubernetes.
_PORTS = range(12_000, 30_000)
# Linux ends a child with its parent if the child asks for it, and keeps that over an exec. Asked
# from here, not by `preexec_fn`, which Python warns of where there are threads.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent has gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free a moment ago, all different."""
    with ExitStack() as probes:
        return [_bind(probes.enter_context(socket.socket())) for _ in range(count)]


def _bind(probe: socket.socket) -> int:
    while True:
        port = secrets.choice(_PORTS)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Process:
    """One program in a process group of its own, with a log; it can be started again."""

    # "With its parent" means the thread that started it: so one that lives as long as we do.
    _starter = ThreadPoolExecutor(1, thread_name_prefix="starter")

    def __init__(self, command: Sequence[str | Path], log: Path, name: str = "") -> None:
        self.command = command
        self.log = log
        self._name = name
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The name of the process in messages."""
        return self._name or Path(self.command[0]).name

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._popen.pid if self._popen is not None and self._popen.poll() is None else None

    def start(self) -> None:
        """Start it, if it does not run; let it go on, if it was paused by SIGSTOP."""
        if self.pid is None:
            self._popen = self._starter.submit(self._start).result()
        else:
            self.signal(signal.SIGCONT)

    def _start(self) -> subprocess.Popen[bytes]:
        command: list[str | Path] = list(self.command)
        if sys.platform == "linux":
            wrapper = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]
            command = [*wrapper, *command]
        with self.log.open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and its group: with the given signal, and after a moment with SIGKILL."""
        if self._popen is None:
            return
        self.signal(how)
        try:
            self._popen.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._popen.wait(_GRACE)
        self._popen = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its group."""
        if self._popen is not None and self._popen.poll() is None:
            os.killpg(self._popen.pid, number)

    def check(self) -> None:
        """Raise with the end of the log if it has ended by itself."""
        if self.pid is None:
            lines = self.log.read_text(errors="replace").splitlines()[-12:]
            raise RuntimeError("\n".join([f"{self.name} has ended:", *lines]))
