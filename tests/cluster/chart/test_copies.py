"""Copies of files are the same as their originals."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

from kit.apiserver.client import read_yaml
from kit.chart.helm import CHART, Helm, Object
from kit.chart.packaging import package
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


IMAGE = "ghcr.io/example/hotpeers@sha256:" + "ab" * 32


def test_chart_of_a_release_installs_the_published_image(helm: Helm, tmp_path: Path) -> None:
    file = package(helm, IMAGE, tmp_path)
    released = Helm(helm.program, chart=file)
    (deployment,) = (it for it in released.render() if it["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    version = tomllib.loads(PYPROJECT.read_text())["project"]["version"]
    name, _, digest = IMAGE.partition("@")
    assert container["image"] == f"{name}:{version}@{digest}"
    assert released.lint()
    chart = yaml.safe_load(released.run("show", "chart", file))
    (listed,) = yaml.safe_load(chart["annotations"]["artifacthub.io/images"])
    assert listed["image"] == IMAGE
    for shown in ("values", "readme"):
        text = released.run("show", shown, file)
        assert "no published image" not in text
        assert IMAGE in text or digest in text


@pytest.mark.parametrize("image", ["hotpeers", "ghcr.io/a/b:1", "ghcr.io/a/b@sha256:1", ""])
def test_chart_of_a_release_needs_a_digest(helm: Helm, tmp_path: Path, image: str) -> None:
    with pytest.raises(ValueError, match="is no NAME@sha256:DIGEST"):
        package(helm, image, tmp_path)
