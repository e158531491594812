"""Many sidecars that live for moments: each is a fork of one process that has imported all of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from kit.waiting import until

# A child is what `hotpeers run` is after its imports, and a process of its own. It dies with its
# parent, and that one when its input ends.
_PARENT = """
import ctypes, json, os, signal, sys
import hotpeers.cli.main, hotpeers.base.log, hotpeers.sidecar.runner, hotpeers.sidecar.settings
import hotpeers.kube.client, hotpeers.kube.connection, hotpeers.sidecar.sources.kubernetes

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.argv = ["hotpeers", *json.loads(line)]
        hotpeers.cli.main.main()
    print(pid, flush=True)
"""


class Nursery:
    """Starts sidecars in no time. Use it as a context manager; it ends those that still run."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._parent: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Nursery:
        with self._log.open("ab") as log:
            self._parent = subprocess.Popen(
                [sys.executable, "-c", _PARENT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._parent is not None
        os.killpg(self._parent.pid, signal.SIGKILL)
        self._parent.communicate()

    def start(self, arguments: Sequence[str]) -> int:
        """Start a sidecar with these arguments; return its process id."""
        parent = self._parent
        assert parent is not None
        assert parent.stdin is not None
        assert parent.stdout is not None
        with self._lock:
            parent.stdin.write(json.dumps(list(arguments)).encode() + b"\n")
            parent.stdin.flush()
            answer = parent.stdout.readline()
        assert answer, self._log.read_text()
        return int(answer)

    def kill(self, pid: int) -> None:
        """Kill a sidecar, and wait until nothing of it is left."""
        # It may only be gone by the signal: a sidecar that ends by itself is a failure.
        os.kill(pid, signal.SIGKILL)
        until("the process to be gone", lambda: _is_gone(pid), 60)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
