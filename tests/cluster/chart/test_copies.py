"""Copies of files are the same as their originals."""

from __future__ import annotations

import tomllib

import pytest
import yaml

from kit.apiserver.client import read_yaml
from kit.chart.helm import CHART, Helm, Object
from kit.chart.rendering import INSTALL, K8S, copies, from_values, install_manifest, stray

PYPROJECT = K8S.parent / "pyproject.toml"


def test_chart_copies_equal_the_files_in_k8s() -> None:
    stale = [
        str(path.relative_to(K8S))
        for path, text in copies().items()
        if not path.is_file() or path.read_text() != text
    ]
    assert (stale, stray()) == ([], []), "run `make manifests`"


def test_install_manifest_is_up_to_date(helm: Helm) -> None:
    assert INSTALL.read_text() == install_manifest(helm), "run `make manifests`"


def test_readme_and_schema_have_the_comments_of_the_values() -> None:
    stale = [path.name for path, text in from_values().items() if path.read_text() != text]
    assert stale == [], "run `make manifests`"


def test_chart_version_equals_the_project_version() -> None:
    version = tomllib.loads(PYPROJECT.read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)


@pytest.mark.parametrize(
    "name", ["hotpeers-peers", "hotpeers-feedback", "hotpeers-definitions", "hotpeers-spawner"]
)
def test_rights_of_readers_are_those_of_the_manifest(helm: Helm, name: str) -> None:
    written = yaml.safe_load_all((K8S / "rbac" / "roles.yaml").read_text())
    rules = {it["metadata"]["name"]: it["rules"] for it in written}
    (role,) = (
        it for it in helm.render() if it["kind"] == "ClusterRole" and it["metadata"]["name"] == name
    )
    assert role["rules"] == rules[name]


def test_rights_of_the_controller_are_those_of_the_manifest(helm: Helm) -> None:
    """Every object of the file is in the chart, and the chart gives its account nothing more."""
    written = {key(it): substance(it) for it in read_yaml(K8S / "rbac" / "controller.yaml")}
    rendered = {key(it): substance(it) for it in helm.render()}
    assert {name: rendered.get(name) for name in written} == written
    bound = {
        name: found
        for name, found in rendered.items()
        if found.get("subjects") or name[0] in {"Secret", "ServiceAccount"}
    }
    assert set(bound) <= set(written)


def key(manifest: Object) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def substance(manifest: Object) -> Object:
    """All but the labels."""
    metadata = {"namespace": manifest["metadata"].get("namespace")}
    return {**manifest, "metadata": metadata}
