"""Finds the shim, and copies it into a folder that the agent's container can read.

The shim is located without an import, because its modules must not run in this process.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from ...base.errors import InstallError
from ...inject.imagepath.program import install_program

_PACKAGE = "hotpeers_shim"


def package_folder() -> Path:
    """The folder of the package `hotpeers_shim` beside this installation."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise InstallError(f"the package {_PACKAGE} is not installed; install hotpeers again")
    return Path(spec.origin).parent


def bootstrap_folder() -> Path:
    """The folder that belongs on the PYTHONPATH of an agent."""
    folder = package_folder() / "bootstrap"
    if not folder.is_dir():
        raise InstallError(f"{folder} does not exist; install hotpeers again")
    return folder


def install_shim(target: Path) -> Path:
    """Copy the shim to `target`/hotpeers_shim, and return its bootstrap folder.

    An identical copy is kept; a different one is replaced. A process that starts meanwhile finds the
    old or the new copy. Between two renames it finds no copy for a moment, and then runs without the
    shim. Raises `InstallError` if the copy fails.

    The program that reads the PYTHONPATH of the agent's image is installed first, in `target`. It is
    small, and that container cannot start without it, while an agent can start without the shim.
    """
    bootstrap_folder()
    place = target / _PACKAGE
    try:
        install_program(target)
        if is_installed(target):
            return place / "bootstrap"
        target.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{_PACKAGE}.", dir=target))
        try:
            copy = fresh / "new"
            shutil.copytree(package_folder(), copy)
            _compile(copy, place)
            _make_readable(copy)
            if place.exists():
                os.rename(place, fresh / "old")  # noqa: PTH104 - beside the other one
            os.rename(copy, place)  # noqa: PTH104 - fails where the place is taken, as it must
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise InstallError(f"{place}: {_cause(error)}; is the folder writable?") from error
    return place / "bootstrap"


def is_installed(target: Path) -> bool:
    """Whether `target` holds an identical copy of this shim, compared file by file."""
    ours, place = package_folder(), target / _PACKAGE
    names = _sources(ours)
    if names != _sources(place):
        return False
    return not any(filecmp.cmpfiles(ours, place, names, shallow=False)[1:])


def _cause(error: OSError) -> str:
    if isinstance(error, shutil.Error):
        # It holds one entry for each file, all with the same cause: take the first.
        return str(error.args[0][0][2])
    return error.strerror or str(error)


def _sources(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.suffix != ".pyc" and path.is_file())
    return sorted(str(path.relative_to(folder)) for path in files)


def _compile(folder: Path, place: Path) -> None:
    """Compile the bytecode that was not copied, for use in `place`.

    If the agent runs the same Python version, each of its interpreters starts 2 ms sooner. The agent's
    container can seldom write bytecode to the folder itself. Another Python version ignores it.
    """
    sources = folder.rglob("*.py")
    missing = [path for path in sources if not Path(cache_from_source(str(path))).exists()]
    if missing:
        # Imported late: in the hotpeers image all bytecode is there, and nothing is compiled.
        import py_compile  # noqa: PLC0415

        for path in missing:
            py_compile.compile(str(path), dfile=str(place / path.relative_to(folder)), quiet=2)


def _make_readable(folder: Path) -> None:
    """Make the copy readable for all users, because the agent's container runs as another user."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
