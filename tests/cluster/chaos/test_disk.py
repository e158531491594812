"""The disk of the peer file is full: the last good file stays, and follows when there is room."""

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest

from cluster.chaos.observer import Observer
from cluster.chaos.sidecar import Sidecar
from kit.apiserver.client import Object
from kit.apiserver.server import Cluster
from kit.waiting import until

_BYTES = 256 * 1024


class Disk(Protocol):
    """The file system of the peer file, which can be full."""

    name: str
    folder: Path

    def fill(self, sidecar: Sidecar) -> None:
        """Leave no room."""

    def empty(self, sidecar: Sidecar) -> None:
        """Make room again."""


class SmallDisk:
    """A file system of its own: writes fail with ENOSPC."""

    name = "a file system that is full"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, sidecar: Sidecar) -> None:
        with self._ballast.open("wb", buffering=0) as file, suppress(OSError):
            for size in (4096, 1):
                with suppress(OSError):
                    while file.write(b"x" * size):
                        pass
        with pytest.raises(OSError, match="No space") as refused:
            (self.folder / "probe").write_bytes(b"x" * 4096)
        assert refused.value.errno == errno.ENOSPC
        (self.folder / "probe").unlink()

    def empty(self, sidecar: Sidecar) -> None:
        self._ballast.unlink()


class LimitedFiles:
    """No privilege is needed to limit the size of a process's files: writes fail with EFBIG."""

    name = "a limit of the size of files"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, sidecar: Sidecar) -> None:
        self._limit(sidecar, 64)

    def empty(self, sidecar: Sidecar) -> None:
        self._limit(sidecar, resource.RLIM_INFINITY)

    @staticmethod
    def _limit(sidecar: Sidecar, size: int) -> None:
        assert sidecar.process.pid is not None
        _, hard = resource.prlimit(sidecar.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(sidecar.process.pid, resource.RLIMIT_FSIZE, (size, hard))


@pytest.fixture(params=["file-system", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A small file system if we may mount one.

    The other variant needs no rights and always runs.
    """
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "limit":
        yield LimitedFiles(folder)
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={_BYTES}", "hotpeers-test", str(folder)]
    with suppress(OSError):
        mounted = os.geteuid() == 0 and subprocess.run(command, check=False).returncode == 0
        if mounted:
            yield SmallDisk(folder)
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
            return
    pytest.skip("to mount a file system needs root")


def test_full_disk_keeps_the_last_good_file(
    cluster: Cluster,
    disk: Disk,
    make_sidecar: Callable[..., Sidecar],
    make_peer: Callable[..., Object],
    tell: Callable[[str], None],
) -> None:
    names = [f"p{number}" for number in range(50)]
    cluster.api.create_all(make_peer(name) for name in names)
    sidecar = make_sidecar(file=disk.folder / "peers.json")
    with Observer(sidecar.file) as observer:
        sidecar.start()
        observer.until_names(names)
        observer.require(*names)
        before = observer.generation

        disk.fill(sidecar)
        cluster.api.patch(make_peer("p0"), {"spec": {"description": "while it is full"}})
        cluster.api.create(make_peer("late"))
        until("two failed writes in the log", lambda: failures(sidecar) >= 2, 60)
        assert "ProjectionFailed" in sidecar.reasons()
        assert observer.generation == before
        # A failed write must not use up the missing space.
        assert list(disk.folder.glob(".peers.json.*.tmp")) == []

        disk.empty(sidecar)
        took = observer.until_told("p0", "while it is full")
        observer.until_names([*names, "late"])
        observer.until(
            "ProjectionFailed to be solved", lambda: "ProjectionFailed" not in sidecar.reasons()
        )
        cluster.api.patch(make_peer("p1"), {"spec": {"description": "with room again"}})
        observer.until_told("p1", "with room again")
        tell(
            f"disk full ({disk.name}): {failures(sidecar):.0f} writes failed, recovered {took:.2f} s "
            f"after there was room; {observer.figures()}"
        )
    sidecar.stop()


def failures(sidecar: Sidecar) -> float:
    return sidecar.metric("hotpeers_projection_failures_total")
