"""Regenerates the copies of files in k8s/ from their originals: `make manifests`.

A chart can read only files below its own folder, and a symbolic link out of it makes helm warn at
each use and some deployment tools refuse; so it holds copies, and a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kit.chart import values
from kit.chart.helm import CHART, Helm

K8S = CHART.parent
INSTALL = K8S / "install.yaml"
NAMESPACE = "hotpeers-system"
_COPIED = (
    *("crds/*.yaml", "alerts/*.yaml", "dashboards/*.json"),
    *("rbac/roles.yaml", "rbac/hub.yaml", "rbac/orchestrators.yaml", "rbac/console.yaml"),
)
PACKAGED = K8S.parent / "sidecar" / "hotpeers" / "check" / "manifests"
"""`hotpeers check` compares the cluster with these copies."""
_PACKAGED = (
    "crds/*.yaml",
    *("rbac/controller.yaml", "rbac/hub.yaml", "rbac/orchestrators.yaml", "rbac/console.yaml"),
)
# Where `kubectl delete -f` removes it, it would keep nothing: the annotation would only mislead.
_SETS = ("crds.keep=false",)
_HEAD = f"""\
# All of the chart's objects with its default values, for `kubectl apply --server-side -f`; made by
# `make manifests`. There is no published image: build it, push it, and replace hotpeers:VERSION below
# (it is there twice), or take the chart, which is in k8s/chart.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    app.kubernetes.io/part-of: hotpeers
    pod-security.kubernetes.io/enforce: restricted
"""


def expected(helm: Helm) -> dict[Path, str]:
    """Each generated file with its expected content. The copies must be up to date first."""
    return {**copies(), **from_values(), INSTALL: install_manifest(helm)}


def from_values() -> dict[Path, str]:
    """The files with the comments of values.yaml: the chart's README and the schema."""
    return {values.README: values.readme(), values.SCHEMA: values.described_schema()}


def copies() -> dict[Path, str]:
    """The copies of the chart and of the package, with their expected content."""
    return {
        folder / file.relative_to(K8S): file.read_text()
        for folder, patterns in ((CHART / "files", _COPIED), (PACKAGED, _PACKAGED))
        for pattern in patterns
        for file in sorted(K8S.glob(pattern))
    }


def install_manifest(helm: Helm) -> str:
    """The chart with its default values, and the namespace."""
    return _HEAD + helm.render_text(*_SETS, namespace=NAMESPACE)


def stray() -> list[Path]:
    """Copies whose original no longer exists."""
    known = copies()
    files = [*(CHART / "files").rglob("*"), *PACKAGED.rglob("*")]
    return sorted(one for one in files if one.is_file() and one not in known)


def renew(helm: Helm) -> Iterator[Path]:
    """Write outdated files, and yield each file that changed."""
    for file in stray():
        file.unlink()
        yield file
    for path, text in {**copies(), **from_values()}.items():
        if _write(path, text):
            yield path
    if _write(INSTALL, install_manifest(helm)):
        yield INSTALL


def _write(path: Path, text: str) -> bool:
    if path.is_file() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return True
