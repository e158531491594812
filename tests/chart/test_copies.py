"""What is written in one place and held in another is the same in both."""

from __future__ import annotations

import tomllib

import pytest
import yaml

from chart.helm import CHART, Helm
from chart.rendering import INSTALL, K8S, copies, install_manifest, renew, stray

PYPROJECT = K8S.parent / "pyproject.toml"


def test_chart_holds_what_k8s_holds() -> None:
    stale = [
        str(path.relative_to(K8S))
        for path, text in copies().items()
        if not path.is_file() or path.read_text() != text
    ]
    assert (stale, stray()) == ([], []), "run `make manifests`"


def test_install_manifest_is_up_to_date(helm: Helm) -> None:
    assert INSTALL.read_text() == install_manifest(helm), "run `make manifests`"


def test_there_is_nothing_to_renew(helm: Helm) -> None:
    assert list(renew(helm)) == []


def test_version_is_that_of_the_project() -> None:
    version = tomllib.loads(PYPROJECT.read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)


@pytest.mark.parametrize("name", ["hotpeers-peers", "hotpeers-feedback", "hotpeers-definitions"])
def test_rights_of_readers_are_those_of_the_manifest(helm: Helm, name: str) -> None:
    written = yaml.safe_load_all((K8S / "rbac" / "roles.yaml").read_text())
    rules = {it["metadata"]["name"]: it["rules"] for it in written}
    (role,) = (
        it for it in helm.render() if it["kind"] == "ClusterRole" and it["metadata"]["name"] == name
    )
    assert role["rules"] == rules[name]
