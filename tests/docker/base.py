"""A base image where none can be pulled: this machine's Python, its libraries and a busybox.

It has what the Dockerfile asks of a base: Python, glibc and a shell, and `pip` by `ensurepip`.
"""

import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_ABOUT = """
import json, ssl, sys, sysconfig
paths = {name: sysconfig.get_path(name) for name in ("stdlib", "scripts")}
print(json.dumps({**paths, "executable": sys.executable, "prefix": sys.base_prefix,
    "lib": sysconfig.get_config_var("LIBDIR"), "version": sysconfig.get_python_version()}))
"""
_LEFT_OUT = ("site-packages", "config-*", "test", "tests", "idlelib", "__pycache__", "_tkinter*")
# What `ldd` does not name: loaded at run time, or asked for by binary wheels, as every distribution has it.
_NAMES = (
    "dl.so.2",
    "nss_dns.so.2",
    "nss_files.so.2",
    "pthread.so.0",
    "resolv.so.2",
    "rt.so.1",
    "util.so.1",
)
_MORE = (*(f"lib{name}" for name in _NAMES), "libgcc_s.so.1", "libstdc++.so.6")


def make_base(tag: str, python: str, environ: Mapping[str, str]) -> None:
    """Import an image with this interpreter into the docker of an environment."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _system(root)
        _python(root, python)
        archive = root.with_suffix(".tar")
        try:
            with tarfile.open(archive, "w") as tar:
                for path in sorted(root.iterdir()):
                    tar.add(path, path.name, filter=_of_root)
            # An older pip brings certificates of its own, and trusts no others unless it is told.
            trust = f"ENV SSL_CERT_FILE={CERTIFICATES} PIP_CERT={CERTIFICATES}"
            changes = ["ENV PATH=/usr/local/bin:/bin", trust]
            options = [word for change in changes for word in ("--change", change)]
            subprocess.run(
                ["docker", "import", *options, str(archive), tag],
                env=environ,
                check=True,
                stdout=subprocess.DEVNULL,
                timeout=300,
            )
        finally:
            archive.unlink(missing_ok=True)


def _system(root: Path) -> None:
    for name in ("bin", "etc/ssl/certs", "tmp", "proc", "sys", "dev", "root", "usr/bin", "run"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "var").mkdir()
    (root / "var/run").symlink_to("/run")
    busybox = shutil.which("busybox")
    assert busybox, "busybox is missing: apt-get install busybox-static"
    shutil.copy(busybox, root / "bin/busybox")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for applet in applets.stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "usr/bin/env").symlink_to("/bin/busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    shutil.copy(CERTIFICATES, root / CERTIFICATES.lstrip("/"))


def _python(root: Path, python: str) -> None:
    answer = subprocess.run([python, "-c", _ABOUT], capture_output=True, text=True, check=True)
    about = json.loads(answer.stdout)
    stdlib, library = Path(about["stdlib"]), root / "usr/local/lib"
    ignored = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(stdlib, library / stdlib.name, symlinks=True, ignore=ignored)
    binary = Path(about["executable"]).resolve()
    commands = root / "usr/local/bin"
    commands.mkdir()
    shutil.copy(binary, commands / "python3")
    (commands / "python").symlink_to("python3")
    parts = [binary, *(library / stdlib.name / "lib-dynload").glob("*.so")]
    needed = {path for part in parts for path in _libraries(part, about["lib"])}
    loader = next(path for path in needed if "ld-linux" in path.name)
    usual = next(path.parent for path in needed if path.name.startswith("libc.so"))
    more = [
        folder / name for folder in (usual, Path("/usr") / usual.relative_to("/")) for name in _MORE
    ]
    needed |= {path for path in more if path.exists()}
    system = root / usual.relative_to("/")
    system.mkdir(parents=True)
    for path in needed - {loader}:
        # All where the loader looks anyway: a path that is built in need not exist in the image.
        shutil.copy(path, system / path.name)
    place = root / loader.relative_to("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(loader, place)


def _libraries(part: Path, library: str) -> set[Path]:
    answer = subprocess.run(
        ["ldd", str(part)],
        capture_output=True,
        text=True,
        check=False,
        env={"LD_LIBRARY_PATH": library, "PATH": "/usr/bin:/bin"},
    )
    return {Path(path) for path in re.findall(r"(/\S+\.so\S*)\s+\(0x", answer.stdout)}


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = "root"
    return entry
