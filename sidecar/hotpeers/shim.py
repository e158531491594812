"""Where the shim is, and how it gets into a folder that an agent's container can read.

The shim is found, never imported: none of its modules belongs into a process of ours.
"""

from __future__ import annotations

import compileall
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from .errors import InstallError

_PACKAGE = "hotpeers_shim"


def package_folder() -> Path:
    """The folder of the package `hotpeers_shim` beside this installation."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise InstallError(f"the package {_PACKAGE} is not installed; install hotpeers again")
    return Path(spec.origin).parent


def bootstrap_folder() -> Path:
    """What belongs on the PYTHONPATH of an agent."""
    folder = package_folder() / "bootstrap"
    if not folder.is_dir():
        raise InstallError(f"{folder} does not exist; install hotpeers again")
    return folder


def install_shim(target: Path) -> Path:
    """Copy the shim to `target`/hotpeers_shim, in the place of an older one; returns its bootstrap.

    A process that starts meanwhile finds the old copy or the new one, and for the moment between
    two renames none, in which case it runs as without the shim.
    """
    bootstrap_folder()
    place = target / _PACKAGE
    try:
        target.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{_PACKAGE}.", dir=target))
        try:
            copy = fresh / "new"
            shutil.copytree(
                package_folder(), copy, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )
            # Where the agent runs the same Python, each of its interpreters starts 2 ms sooner: its
            # container can seldom write there. Another Python ignores it.
            compileall.compile_dir(copy, quiet=2, stripdir=str(copy), prependdir=str(place))
            _make_readable(copy)
            if place.exists():
                os.rename(place, fresh / "old")  # noqa: PTH104 - beside the other one
            os.rename(copy, place)  # noqa: PTH104 - fails where the place is taken, as it must
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise InstallError(
            f"{place}: {error.strerror or error}; is the folder writable?"
        ) from error
    return place / "bootstrap"


def _make_readable(folder: Path) -> None:
    """Let any user read the copy: the agent's container runs as another one."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
