"""The fixtures of the chart's tests."""

from pathlib import Path

import pytest

from kit.apiserver.fixtures import programs
from kit.chart.binaries import ensure_helm
from kit.chart.helm import Helm


@pytest.fixture(scope="session")
def helm_program(pytestconfig: pytest.Config) -> Path:
    """helm, built if need be."""
    return programs(pytestconfig, "helm", ensure_helm)


@pytest.fixture(scope="session")
def helm(helm_program: Path) -> Helm:
    """helm without a cluster, for rendering."""
    return Helm(helm_program)
