"""Layers of images that hold Python: the interpreter of this machine, and packages for it."""

from __future__ import annotations

import compileall
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from py_compile import PycInvalidationMode

from kit.apiserver.gobuild import Say
from kit.node.image import Layer, read_layer, write_layer
from kit.node.store import cache_folder

_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = "/usr/local/bin/python3"
PACKAGES = f"/usr/local/lib/{_VERSION}/site-packages"
_UV = Path(sys.executable).with_name("uv")
# Not needed by any program, or for other programs than these.
_LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip",
    "config-*", "_tkinter*", "lib2to3",
)  # fmt: skip
# What compiled packages load beyond what the interpreter itself does; names of hosts by libnss_dns.
_MORE_LIBRARIES = (
    *("libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2"),
    *("libnss_dns.so.2", "libnss_files.so.2", "libgcc_s.so.1", "libstdc++.so.6", "libz.so.1"),
)
_SECONDS = 600.0


def cached_layer(
    name: str, key: Iterable[str | bytes], make: Callable[[Path], None], say: Say
) -> Layer:
    """The layer of that name, from the cache if it was made of the same before."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode())
    for one in key:
        digest.update(one if isinstance(one, bytes) else one.encode())
    file = cache_folder() / "layers" / f"{name}-{digest.hexdigest()[:16]}.tar"
    if not file.exists():
        say(f"node: making the layer {name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as work:
            root = Path(work, "root")
            root.mkdir()
            make(root)
            write_layer(root, Path(work, "layer.tar")).file.rename(file)
        for older in file.parent.glob(f"{name}-{'?' * 16}.*"):
            if older.stem != file.stem:
                older.unlink(missing_ok=True)
    return read_layer(file)


def python_layer(say: Say) -> Layer:
    """The interpreter that runs this, with the libraries of the system that it loads, and no shell."""
    return cached_layer("python", [sys.base_prefix], _copy_python, say)


def packages_layer(
    name: str, place: str, wanted: Sequence[str], files: Sequence[Path], say: Say
) -> Layer:
    """Packages in a folder of the image: `wanted` as uv is told it, `files` being what it names."""
    key = [place, *(Path(one).name for one in wanted), *(one.read_bytes() for one in files)]
    return cached_layer(name, key, lambda root: _install(root / place.lstrip("/"), wanted), say)


def _install(folder: Path, wanted: Sequence[str]) -> None:
    command = [_UV, "pip", "install", "--quiet", "--python", sys.executable, "--target", folder]
    _run(*command, *wanted)
    # Its scripts name this machine's interpreter.
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for lock in folder.glob(".lock"):
        lock.unlink()
    _compile(folder)


def _compile(folder: Path) -> None:
    """Compile now, because no pod can write there. Not by timestamps: layers have none."""
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, quiet=2, workers=0, invalidation_mode=mode)


def write_script(root: Path, path: str, python: str, module: str, function: str) -> None:
    """Write the script of an entry point, as installers do."""
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f"#!{python}\nimport sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n"
    )
    file.chmod(0o755)


def _copy_python(root: Path) -> None:
    prefix = Path(sys.base_prefix)
    place = root / "usr/local"
    (place / "bin").mkdir(parents=True)
    program = (prefix / "bin" / _VERSION).resolve()
    shutil.copy(program, place / "bin" / _VERSION)
    for name in ("python3", "python"):
        (place / "bin" / name).symlink_to(_VERSION)
    library = place / "lib" / _VERSION
    shutil.copytree(prefix / "lib" / _VERSION, library, symlinks=True, ignore=_LEFT_OUT)
    (library / "site-packages").mkdir()
    _compile(library)
    _copy_libraries([program, *library.glob("lib-dynload/*.so")], root)
    # A user for the programs that run here, and the files for name lookups.
    etc = root / "etc"
    etc.mkdir()
    (etc / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/false\nnonroot:x:65532:65532::/tmp:/bin/false\n"
    )
    (etc / "group").write_text("root:x:0:\nnonroot:x:65532:\n")
    (etc / "nsswitch.conf").write_text("hosts: files dns\n")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)


def _copy_libraries(programs: Iterable[Path], root: Path) -> None:
    """Copy the shared libraries that programs load, to where they are on this machine."""
    found = {}
    for program in programs:
        for name, path in re.findall(
            r"^\s*(\S+)(?: => (/\S+))? \(0x", _run("ldd", program), re.MULTILINE
        ):
            found[Path(name).name] = Path(path or name)
    system = found["libc.so.6"].parent
    for name in _MORE_LIBRARIES:
        found[name] = system / name
    for name, path in found.items():
        if not path.exists():
            continue  # linux-vdso is in the kernel; libnss_* are part of newer libraries
        # The interpreter's own is on a path that is only here.
        own = path.is_relative_to(sys.base_prefix) and sys.base_prefix != "/usr"
        target = root / str((system / name) if own else path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    if Path("/lib").is_symlink():
        _merge_usr(root)


def _merge_usr(root: Path) -> None:
    """Let /lib and /lib64 be links to those of /usr, where they are on this machine."""
    for name in ("lib", "lib64"):
        if (root / name).is_dir():
            shutil.copytree(root / name, root / "usr" / name, dirs_exist_ok=True, symlinks=True)
            shutil.rmtree(root / name)
            (root / name).symlink_to(f"usr/{name}")


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
