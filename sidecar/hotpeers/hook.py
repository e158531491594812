"""Installs the shim while the start of an agent waits for it: a hook of the sidecar's container.

    python -m hotpeers.hook DIR

That is `hotpeers shim install DIR` without what takes long to import. It never fails: for a hook
that does, kubelet kills the container, and starts the agent only once another one has succeeded; for
one that hangs it waits for ever. An agent without its peers is better than none.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

from .base.errors import InstallError
from .sidecar.shim.install import install_shim

# Less than the sidecar gives it (`sidecar.shim.absence`).
_SECONDS = 10.0
_LOG = Path("/proc/1/fd/2")


def install_in_time(target: Path, seconds: float = _SECONDS) -> None:
    """Install the shim, or say in one line why not; raises nothing, and ends in time.

    Only in the main thread. A system call that cannot be interrupted can last longer.
    """

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise InstallError(f"{target}: the shim was not copied within {seconds:g} s")

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        install_shim(target)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Exception as error:  # noqa: BLE001 - the agent must start, whatever it is
        signal.setitimer(signal.ITIMER_REAL, 0)
        _tell(f"error: {error}; the agent starts without its peers\n")


def _tell(line: str) -> None:
    sys.stderr.write(line)
    # kubelet drops what a hook that succeeds says. A process from outside of its container has no
    # parent in it, and the sidecar's standard error is the container's log.
    if os.getppid() == 0:
        with suppress(OSError):
            _LOG.write_text(line)


if __name__ == "__main__":
    install_in_time(Path(sys.argv[1]))
