"""docker as the tests call it, and a copy of the checkout that they may change."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_COPIED = (
    "Dockerfile",
    ".dockerignore",
    "compose.yaml",
    "compose",
    "peers.d",
    "LICENSE",
    "README.md",
)
_CODE = ("pyproject.toml", "requirements", "sidecar", "runtime_patch", "demo")
_MINUTES = 60.0


@dataclass(frozen=True)
class Docker:
    """One daemon, and the base image that is there for it."""

    environ: Mapping[str, str]

    def run(self, *arguments: str, seconds: float = 15 * _MINUTES, cwd: Path | None = None) -> str:
        """Run `docker …` and return its output. The error contains the output."""
        done = subprocess.run(
            ["docker", *arguments],
            env=self.environ,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        said = f"{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.returncode}\n{said}"
        return done.stdout

    def build(self, tag: str, context: Path, *options: str) -> None:
        """Build the Dockerfile of a folder on the base that is here."""
        arguments = ["--build-arg", f"BASE={self.environ['BASE']}", *options]
        self.run("build", *arguments, "--tag", tag, str(context))

    def size(self, image: str) -> int:
        """The size of an image in bytes, as docker counts it."""
        return int(self.run("image", "inspect", "--format", "{{.Size}}", image))


def copy_checkout(target: Path) -> Path:
    """Copy the files of the working tree that the image and compose need."""
    ignored = shutil.ignore_patterns("__pycache__", "news.yaml")
    for name in (*_COPIED, *_CODE):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignored if name != "compose" else None)
        else:
            shutil.copy(source, target / name)
    return target


def environment(host: str | None, config: Path | None, base: str) -> dict[str, str]:
    """The environment for docker: this one, and where its daemon and plugins are."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("COMPOSE_")}
    if host:
        environ["DOCKER_HOST"] = host
    if config:
        environ["DOCKER_CONFIG"] = str(config)
    # Docker takes any port that is free.
    return {**environ, "BASE": base, "STATUS_PORT": "0", "ORCHESTRATOR_PORT": "0"}
