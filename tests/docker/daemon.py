"""A docker to test with: the one that answers already, else a dockerd of our own, which is ended.

A daemon of our own has its data, its socket and its state in a temporary folder. It takes root, and
`apt-get install docker.io iptables busybox-static` (or what another distribution calls them).
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TO_START = 60.0
_TO_END = 60.0
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


class NoDockerError(Exception):
    """No docker is running here, and none can be started; the text names what is missing."""


def answers(environ: dict[str, str]) -> bool:
    """Whether a daemon answers to these settings."""
    command = ["docker", "info", "--format", "{{.ID}}"]
    try:
        done = subprocess.run(command, env=environ, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@contextmanager
def own_daemon() -> Iterator[str]:
    """Run a dockerd; yields its DOCKER_HOST and leaves nothing of it behind."""
    missing = [
        name for name in ("docker", "dockerd", "iptables", "busybox") if not shutil.which(name)
    ]
    if missing or os.getuid() != 0:
        raise NoDockerError(
            "no docker answers; to start one takes root, and `apt-get install docker.io iptables"
            f" busybox-static` (missing here: {', '.join(missing) or 'root'})"
        )
    forwarding = _FORWARDING.read_text()
    # Where dockerd switches this on, it also forbids all other forwarding on the machine.
    _FORWARDING.write_text("1\n")
    folder = Path(tempfile.mkdtemp(prefix="hotpeers-docker-"))
    try:
        with (folder / "log").open("wb") as log:
            options = ["--storage-driver=overlay2", f"--data-root={folder}/data"]
            options += [f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
            daemon = subprocess.Popen(
                ["dockerd", *options, f"--host=unix://{folder}/socket"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _await(daemon, f"unix://{folder}/socket", folder / "log")
            yield f"unix://{folder}/socket"
        finally:
            _end(daemon)
    finally:
        _clean_network()
        _FORWARDING.write_text(forwarding)
        shutil.rmtree(folder, ignore_errors=True)


def _await(daemon: "subprocess.Popen[bytes]", host: str, log: Path) -> None:
    deadline = time.monotonic() + _TO_START
    while not answers({**os.environ, "DOCKER_HOST": host}):
        if daemon.poll() is not None or time.monotonic() > deadline:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise NoDockerError(f"dockerd does not start:\n{last}")
        time.sleep(0.1)


def _end(daemon: "subprocess.Popen[bytes]") -> None:
    daemon.terminate()
    try:
        daemon.wait(_TO_END)
    except subprocess.TimeoutExpired:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait(_TO_END)


def _clean_network() -> None:
    """Take away the bridge and the rules that dockerd leaves behind; rules of others stay."""
    subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True, check=False)
    saved = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout
    kept = [line for line in saved.splitlines() if not re.search("docker", line, re.IGNORECASE)]
    rules = "\n".join([*kept, ""])
    subprocess.run(["iptables-restore"], input=rules, capture_output=True, text=True, check=False)
