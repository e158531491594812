"""Runs helm on the chart: rendering, and real releases on a cluster."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

CHART = Path(__file__).parents[3] / "k8s" / "chart"
KUBE_VERSION = "1.36.0"
"""Of a rendering with no cluster; helm itself, without its own Makefile's flags, would say 1.20."""
_SECONDS = 120.0


class HelmError(Exception):
    """helm failed; the text is its output."""


@dataclass(frozen=True)
class Helm:
    """helm, with a kubeconfig or without, and the chart."""

    program: Path
    kubeconfig: Path | None = None
    chart: Path = CHART

    def lint(self, *sets: str) -> str:
        """Lint the chart, warnings being errors."""
        return self.run("lint", self.chart, "--strict", "--kube-version", KUBE_VERSION, *_set(sets))

    def render(
        self, *sets: str, release: str = "hotpeers", namespace: str = "hotpeers-system"
    ) -> list[Object]:
        """The objects of a release, as templates make them without a cluster."""
        text = self.render_text(*sets, release=release, namespace=namespace)
        return [one for one in yaml.safe_load_all(text) if one is not None]

    def render_text(
        self, *sets: str, release: str = "hotpeers", namespace: str = "hotpeers-system"
    ) -> str:
        """The same as text, with the templates' comments."""
        command = ["template", release, self.chart, "--namespace", namespace, "--no-hooks"]
        return self.run(*command, "--kube-version", KUBE_VERSION, *_set(sets))

    def install(self, release: str, namespace: str, *sets: str) -> str:
        """Install a release, and return helm's words."""
        return self.run("install", release, self.chart, "--namespace", namespace, *_set(sets))

    def upgrade(self, release: str, namespace: str, *sets: str) -> str:
        """Upgrade a release to these values, and return helm's words."""
        return self.run("upgrade", release, self.chart, "--namespace", namespace, *_set(sets))

    def uninstall(self, release: str, namespace: str) -> str:
        """Uninstall a release, and return helm's words."""
        return self.run("uninstall", release, "--namespace", namespace)

    def run(self, *arguments: str | Path) -> str:
        """Run helm, with nothing of the user's own settings; `HelmError` if it refuses."""
        with tempfile.TemporaryDirectory(prefix="helm-") as home:
            environment = {
                "PATH": os.environ.get("PATH", ""),
                "HOME": home,
                "KUBECONFIG": str(self.kubeconfig or Path(home) / "none"),
            }
            done = subprocess.run(
                [self.program, *arguments],
                env=environment,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        if done.returncode != 0:
            raise HelmError(done.stderr.strip() or done.stdout.strip())
        return done.stdout


def _set(sets: Sequence[str]) -> list[str]:
    """Values as `--set-json` takes them: "replicas=1", 'tolerations=[{"operator": "Exists"}]'."""
    return [argument for one in sets for argument in ("--set-json", one)]
