"""The node's own machine: namespaces of mounts, network, processes and names, and a cable to it.

Nothing of this machine is changed but this: a link with two routes, an empty folder in each cgroup
hierarchy and in /var/lib, and one folder on disk. Whoever starts the next node removes what is left.
All processes of a node end with the first of its process namespace, which ends with us, however we
end; its mounts, links and rules go with its namespaces.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from kit.apiserver.processes import Process
from kit.node import addresses
from kit.waiting import until

_SETUP = Path(__file__).with_name("setup.sh")
_CGROUPS = Path("/sys/fs/cgroup")
CGROUP = "hotpeers-node"
_COMMANDS = ("unshare", "nsenter", "ip", "nft", "iptables", "conntrack")
_SECONDS = 10.0


class NoNodeError(Exception):
    """No node can run here; the text names the cause and what to do."""


def check_possible() -> None:
    """`NoNodeError` where no node can run."""
    if platform.system() != "Linux" or os.geteuid() != 0:
        raise NoNodeError("a node needs Linux and root: namespaces, mounts and network links")
    if missing := [name for name in _COMMANDS if shutil.which(name) is None]:
        raise NoNodeError(
            f"the commands {', '.join(missing)} are missing; Debian: apt-get install util-linux"
            " iproute2 nftables iptables conntrack"
        )
    if not (_CGROUPS / "memory").is_dir():
        raise NoNodeError(f"{_CGROUPS}/memory is missing: nodes are only tried with cgroups v1")
    probe = ["unshare", "--mount", "--net", "--pid", "--fork", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode != 0:
        raise NoNodeError(f"no new namespaces are allowed here: {done.stderr.strip()}")


class Machine:
    """The namespaces of one node; `folder` holds what it writes."""

    def __init__(self, folder: Path, init: Path) -> None:
        self.folder = folder
        wish = ["--mount", "--net", "--pid", "--uts", "--ipc", "--mount-proc"]
        # Each ends with its parent: unshare with us, the first process of the namespace with unshare.
        command = ["unshare", *wish, "--fork", "--kill-child=KILL", init]
        program = shutil.which("unshare") or "unshare"
        self._unshare = Process([program, *command[1:]], folder / "unshare.log", "unshare")
        self._init_program = init
        self._init: int | None = None
        self._processes: list[Process] = []

    def start(self) -> None:
        """Make the namespaces and connect them with this machine."""
        clean_up()
        _make_cgroups()
        self._unshare.start()
        self._init = until("the node's first process", self._find_init, _SECONDS)
        (self.folder / "init.pid").write_text(str(self._init))
        _connect(self._init)
        place = [str(self.folder), addresses.NODE_NAME, addresses.NODE]
        self.run("sh", str(_SETUP), *place, addresses.HOST, addresses.DNS)
        for target in (addresses.PODS, addresses.SERVICES):
            _ip("route", "replace", target, "via", addresses.NODE)

    def _find_init(self) -> int | None:
        pid = self._unshare.pid
        if pid is None:
            self._unshare.check()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not children or _program(int(children[0])) != self._init_program.resolve():
            return None
        return int(children[0])

    def inside(self, *command: str | Path) -> list[str | Path]:
        """The command that runs a command inside. (`ip netns exec` would hide the cgroups.)"""
        nsenter = shutil.which("nsenter") or "nsenter"
        return [nsenter, "-t", str(self._init), "-m", "-n", "-p", "-u", "-i", *command]

    def run(self, *command: str | Path, seconds: float = 60.0) -> str:
        """Run a command inside to its end and return its output."""
        done = subprocess.run(
            self.inside(*command), capture_output=True, text=True, timeout=seconds, check=False
        )
        if done.returncode != 0:
            text = (done.stderr or done.stdout).strip()
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {text[-2000:]}")
        return done.stdout

    def spawn(self, *command: str | Path, path: str = "") -> Process:
        """Start a program inside that runs as long as the node."""
        name = Path(command[0]).name
        log = self.folder / f"{name}.log"
        environment = ["env", f"PATH={path}:{os.environ['PATH']}"] if path else []
        process = Process(self.inside(*environment, *command), log, name)
        process.start()
        self._processes.append(process)
        return process

    def check(self) -> None:
        """Raise with the end of its log if one of the programs has ended."""
        for process in self._processes:
            process.check()

    def close(self) -> None:
        """End every process inside; the namespaces disappear with them."""
        if self._init is not None:
            with suppress(ProcessLookupError):
                os.kill(self._init, signal.SIGKILL)
        self._unshare.stop(signal.SIGKILL)
        for process in self._processes:
            process.stop(signal.SIGKILL)
        clean_up()


def runs(program: Path) -> bool:
    """Whether a process of this file is alive, in any namespace."""
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return any(_program(number) == program.resolve() for number in numbers)


def end_left_over(folder: Path, init: Path) -> None:
    """End the node of a folder if it outlived the process that started it."""
    with suppress(OSError, ValueError):
        pid = int((folder / "init.pid").read_text())
        # The pid may belong to another process now.
        if _program(pid) == init.resolve():
            os.kill(pid, signal.SIGKILL)


def clean_up() -> None:
    """Remove the link and the cgroups of a node that has ended."""
    links = Path("/sys/class/net")
    if (links / addresses.LINK).exists():
        # The kernel may be taking it away at this moment, with the namespace of its other end.
        with suppress(RuntimeError):
            _ip("link", "delete", addresses.LINK)
    deadline = time.monotonic() + _SECONDS
    while left := [one for one in _CGROUPS.glob(f"*/{CGROUP}") if not _remove_groups(one)]:
        if time.monotonic() > deadline:
            raise NoNodeError(f"{left[0]} is in use: processes of an earlier node are alive")
        time.sleep(0.05)


def _remove_groups(folder: Path) -> bool:
    """Remove a cgroup and those in it; False as long as a process is in one of them."""
    for place, _, _ in os.walk(folder, topdown=False):
        try:
            Path(place).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def _make_cgroups() -> None:
    """kubelet demands that its root exists in every hierarchy."""
    for hierarchy in _CGROUPS.iterdir():
        if hierarchy.is_dir() and not hierarchy.is_symlink():
            (hierarchy / CGROUP).mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):
        # A new group of this hierarchy has no CPUs or memory nodes, and refuses every process.
        value = (_CGROUPS / "cpuset" / name).read_text()
        (_CGROUPS / "cpuset" / CGROUP / name).write_text(value)


def _connect(pid: int) -> None:
    _ip("link", "add", addresses.LINK, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    _ip("addr", "add", f"{addresses.HOST}/24", "dev", addresses.LINK)
    _ip("link", "set", addresses.LINK, "up")


def _ip(*words: str) -> None:
    command = ["ip", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def _program(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/exe").readlink()
    except OSError:
        return None
