"""The postStart hook of the sidecar's container: the start of an agent waits for it.

    python -m hotpeers.hook DIR                  install the shim in DIR
    python -m hotpeers.hook bridge URL [FROM TO] wait until the bridge answers at URL

The first is `hotpeers shim install DIR` without what takes long to import. The second also waits
until the folder TO has the config.json of the agent; if it never does, the hook copies FROM there.
The hook never fails: for a hook that does, kubelet kills the container, and starts the agent only
once another one has succeeded; for one that hangs it waits for ever. An agent without its peers is
better than none.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from .base.errors import InstallError
from .sidecar.shim.install import install_shim

# Less than the sidecar gives it (`sidecar.shim.absence`).
_SECONDS = 10.0
_LOG = Path("/proc/1/fd/2")
_CONFIG_FILE = "config.json"
_LOOK_SECONDS = 0.05


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


def wait_for_bridge(
    url: str,
    source: Path | None = None,
    target: Path | None = None,
    *,
    seconds: float = _SECONDS,
) -> None:
    """Wait until `url` answers 200 and `target` has config.json; raises nothing, and ends in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        configured = target is None or (target / _CONFIG_FILE).exists()
        if configured and _answers(url):
            return
        time.sleep(_LOOK_SECONDS)
    _tell(f"error: {url} did not answer within {seconds:g} s; the agent starts without its peers\n")
    if source is None or target is None or (target / _CONFIG_FILE).exists():
        return
    try:
        for file in source.iterdir():
            if file.is_file() and not file.name.startswith("."):
                (target / file.name).write_bytes(file.read_bytes())
    except OSError as error:
        _tell(f"error: {source}: {error}; the agent has no configuration\n")


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=1.0)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _tell(line: str) -> None:
    sys.stderr.write(line)
    # kubelet drops what a hook that succeeds says. A process from outside of its container has no
    # parent in it, and the sidecar's standard error is the container's log.
    if os.getppid() == 0:
        with suppress(OSError):
            _LOG.write_text(line)


def main(arguments: Sequence[str]) -> None:
    """Run the hook. `arguments` are those of the command line."""
    if arguments[0] == "bridge":
        folders = [Path(one) for one in arguments[2:4]]
        wait_for_bridge(arguments[1], *(folders if len(folders) == 2 else ()))
    else:
        install_in_time(Path(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
