"""docker's plugins compose and buildx: the machine's own, else built once a machine from go.mod."""

import subprocess
from pathlib import Path

from kit.apiserver.gobuild import Module, ensure

_BUILDX, _COMPOSE = "github.com/docker/buildx", "github.com/docker/compose/v2"
PLUGINS = Module(
    "docker",
    Path(__file__).parent,
    {"docker-buildx": f"{_BUILDX}/cmd/buildx", "docker-compose": f"{_COMPOSE}/cmd"},
    # compose refuses a buildx that does not report its version.
    variables={f"{_BUILDX}/version.Version": _BUILDX, f"{_COMPOSE}/internal.Version": _COMPOSE},
    takes="three minutes",
)


def docker_config(folder: Path) -> Path | None:
    """The folder for DOCKER_CONFIG, with both plugins; None where docker has them anyway.

    Raises `NoBinariesError` where they cannot be built.
    """
    if all(_known(name.removeprefix("docker-")) for name in PLUGINS.programs):
        return None
    (folder / "cli-plugins").symlink_to(ensure(PLUGINS))
    return folder


def _known(plugin: str) -> bool:
    done = subprocess.run(["docker", plugin, "version"], capture_output=True, check=False)
    return done.returncode == 0
