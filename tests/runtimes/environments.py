"""The environments of agents that the project is tried in, each locked in requirements/.

`python environments.py python NAME` prints the interpreter to build one with: that of the version
its requirements name, or any that is supported where this machine does not have it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "requirements" / "compat"
MAIN = ("kagent", "adk")
"""Locked in requirements/ itself, and with the whole suite in `make test`."""
UNSUPPORTED = ("no-a2a", "adk-1.15", "python-3.10")
"""Where the agent must run as if hotpeers were absent."""


def supported() -> list[str]:
    """The names of all environments in which the suite must pass."""
    others = sorted(path.stem for path in LOCKS.glob("*.txt") if path.stem not in UNSUPPORTED)
    return [*MAIN, *others]


def interpreter(name: str) -> Path:
    """The Python of an environment, which need not be built."""
    folder = ROOT / ".venvs" / (name if name in MAIN else f"compat/{name}")
    return folder / "bin" / "python"


def wanted(name: str) -> str:
    """The version of Python that an environment's requirements name, as "3.13"."""
    first = (LOCKS / f"{name}.in").read_text("utf-8").splitlines()[0]
    return first.removeprefix("# python ")


@cache
def find_python(version: str) -> Path | None:
    """An interpreter of this version on the machine: on the path, or among those of pyenv."""
    candidates = [shutil.which(f"python{version}")]
    candidates += sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    for candidate in filter(None, candidates):
        said = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if said.returncode == 0 and said.stdout.strip() == version:
            return Path(candidate)
    return None


def main() -> None:
    """See the module's docstring; ends with an error where there is no interpreter to take."""
    name = sys.argv[2]
    found = find_python(wanted(name))
    if found is None and name == "python-3.10":
        sys.exit("there is no Python 3.10 on this machine")
    print(found or sys.executable)


if __name__ == "__main__":
    main()
