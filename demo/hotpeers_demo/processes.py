"""Child processes: each has its own process group and a log, and is ended in every case."""

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from hotpeers_demo.outcome import CannotStartError

T = TypeVar("T")

_PAUSE = 0.02
_GRACE = 3.0
# The kernel ends a killed process at once, unless the machine is very slow.
_KILLED = 30.0
_PR_SET_PDEATHSIG = 1


class WaitedTooLongError(Exception):
    """A condition did not become true in time."""


async def until(what: str, probe: Callable[[], Awaitable[T | None]], seconds: float) -> T:
    """Call `probe` repeatedly until its answer is not None. Raises `WaitedTooLongError`.

    `what` names the awaited condition in the error.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        answer = await probe()
        if answer is not None:
            return answer
        if loop.time() >= deadline:
            raise WaitedTooLongError(f"{what}: not within {seconds:g} s")
        await asyncio.sleep(_PAUSE)


class Child:
    """One process and its log."""

    def __init__(self, name: str, popen: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.log = log
        self._popen = popen
        self.started = start_time(popen.pid)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._popen.poll() is None

    def tail(self, lines: int = 12) -> list[str]:
        """Return the last lines of the log."""
        return self.log.read_text(errors="replace").splitlines()[-lines:]

    async def ready_url(self, seconds: float = 30.0) -> str:
        """Wait for the JSON line with the address, which the demonstration's servers print."""
        return await until(f"{self.name} to print its address", self.printed_url, seconds)

    async def printed_url(self) -> str | None:
        """The address that the server has printed, if it has. Raises `CannotStartError`."""
        for line in self.log.read_text(errors="replace").splitlines():
            # The line may be there by half.
            if line.startswith('{"url"') and line.endswith("}"):
                return str(json.loads(line)["url"])
        self.check()
        return None

    def check(self) -> None:
        """Raise `CannotStartError` if the process has ended by itself."""
        if not self.alive:
            last = " / ".join(line.strip() for line in self.tail(3))
            raise CannotStartError(f"{self.name} ended with {self._popen.returncode}: {last}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the process (SIGSTOP) within the context."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End the process with SIGKILL, as the kernel does when memory runs out."""
        self._signal(signal.SIGKILL)
        await self.ended(_KILLED)

    async def ended(self, seconds: float) -> bool:
        """Wait for the end of the process; returns whether it has ended in time."""

        async def probe() -> bool | None:
            return None if self.alive else True

        try:
            return await until(f"{self.name} to end", probe, seconds)
        except WaitedTooLongError:
            return False

    def terminate(self) -> None:
        """Send SIGTERM to the process and its group."""
        self._signal(signal.SIGTERM)

    def sweep(self) -> None:
        """Send SIGKILL to the remaining processes of the group."""
        self._signal(signal.SIGKILL)
        self._popen.wait(_KILLED)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._popen.pid, number)
        except ProcessLookupError:
            return


class Processes:
    """All processes of one run."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._logs.mkdir(parents=True, exist_ok=True)
        self._open: list[IO[bytes]] = []
        self.children: list[Child] = []

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
    ) -> Child:
        """Start a process with its own log. Raises `CannotStartError`."""
        log = self._logs / f"{name}.log"
        # Append, so that a restarted process keeps the output of the first one.
        output = log.open("ab")
        self._open.append(output)
        try:
            popen = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_DIE_WITH_PARENT,  # noqa: PLW1509  (one system call, no Python locks)
            )
        except OSError as error:
            raise CannotStartError(f"{command[0]} cannot be started: {error.strerror}") from error
        child = Child(name, popen, log)
        self.children.append(child)
        return child

    async def close(self) -> None:
        """End every process: with SIGTERM, and after a moment with SIGKILL."""
        for child in self.children:
            child.terminate()
        for child in self.children:
            await child.ended(_GRACE)
        self.sweep()

    def sweep(self) -> None:
        """End every process at once. This needs no event loop."""
        for child in self.children:
            child.sweep()
        for output in self._open:
            output.close()
        self._open.clear()


def start_time(pid: int) -> str:
    """Return when a process started, in clock ticks of the kernel; "" if it is unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The second field, the command, may hold spaces; the start time is the 22nd (proc(5)).
    return stat.rpartition(")")[2].split()[19]


def _die_with_parent() -> Callable[[], None] | None:
    """Return a function that makes Linux end a child with this process, even after a SIGKILL.

    None on other systems.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return ask


_DIE_WITH_PARENT = _die_with_parent()
