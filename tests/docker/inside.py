"""Run inside the image by its own Python: prints its content as JSON."""

import hashlib
import importlib
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

TOOLS = (
    "pip",
    "pip3",
    "uv",
    "uvx",
    "gcc",
    "g++",
    "cc",
    "c++",
    "clang",
    "tcc",
    "ld",
    "make",
    "cargo",
    "go",
)
MODULES = ("pip", "uv", "ensurepip", "setuptools", "hatchling")


def digest(root: Path) -> str:
    """Of the names, modes and contents of all files below a folder."""
    whole = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        about = f"{path.relative_to(root)} {path.lstat().st_mode:o}"
        content = str(path.readlink()).encode() if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        whole.update(about.encode() + hashlib.sha256(content).digest())
    return whole.hexdigest()


def uncompiled() -> list[str]:
    """The modules that a sidecar runs and that have no bytecode beside their source."""
    for name in ("hotpeers.sidecar.runner", "hotpeers.kube.client", "hotpeers.controller.runner"):
        importlib.import_module(name)
    from hotpeers.kube.lazy import PACKAGES

    cached = {name: getattr(module, "__cached__", None) for name, module in sys.modules.items()}
    for name in PACKAGES:
        cached.pop(name, None)  # in their place stand modules that were never run
    return [name for name, path in cached.items() if path and not Path(path).exists()]


print(
    json.dumps(
        {
            "tools": [name for name in TOOLS if shutil.which(name)],
            "modules": [name for name in MODULES if importlib.util.find_spec(name)],
            "ids": [os.getuid(), os.getgid()],
            "uncompiled": uncompiled(),
            "digest": digest(Path("/opt/venv")),
        }
    )
)
