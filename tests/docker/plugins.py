"""docker's plugins compose and buildx: the machine's own, else built from Go modules, once a machine."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from cluster.binaries import find_go

_HERE = Path(__file__).parent
# compose refuses a buildx that does not tell its version.
_PLUGINS = {
    "docker-buildx": ("github.com/docker/buildx", "cmd/buildx", "version.Version"),
    "docker-compose": ("github.com/docker/compose/v2", "cmd", "internal.Version"),
}


class NoPluginsError(Exception):
    """A plugin is missing and cannot be built; the text says why."""


def docker_config() -> Path | None:
    """The folder for DOCKER_CONFIG that has both plugins; None where docker finds them anyway."""
    if all(_known(name.removeprefix("docker-")) for name in _PLUGINS):
        return None
    pinned = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        pinned.update((_HERE / name).read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "hotpeers" / "docker" / pinned.hexdigest()[:16]
    if not folder.is_dir():
        _build_all(folder)
    return folder


def _known(plugin: str) -> bool:
    done = subprocess.run(["docker", plugin, "version"], capture_output=True, check=False)
    return done.returncode == 0


def _build_all(folder: Path) -> None:
    """Build beside the folder and rename: it is there whole, or not at all."""
    go = find_go()
    if go is None:
        raise NoPluginsError("docker has no compose or no buildx, and there is no Go to build them")
    print("building docker's plugins compose and buildx: three minutes, once a machine", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        whole = Path(work) / "config"
        for name, (module, package, variable) in _PLUGINS.items():
            version = _version(go, module)
            _go(
                *(go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false"),
                *("-ldflags", f"-s -w -X {module}/{variable}={version}"),
                *("-o", str(whole / "cli-plugins" / name), f"{module}/{package}"),
            )
        shutil.move(whole, folder)


def _version(go: Path, module: str) -> str:
    return _go(go, "list", "-m", "-f", "{{.Version}}", module).strip()


def _go(*command: str | Path) -> str:
    environ = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    done = subprocess.run(
        command, cwd=_HERE, env=environ, capture_output=True, text=True, timeout=1800, check=False
    )
    if done.returncode != 0:
        raise NoPluginsError(f"`{' '.join(map(str, command))}` failed:\n{done.stderr[-2000:]}")
    return done.stdout
