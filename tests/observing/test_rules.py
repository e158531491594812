"""The rules for Prometheus, checked and run by Prometheus' own promtool."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from kit.apiserver.fixtures import programs
from kit.chart.rendering import K8S
from kit.observing.binaries import ensure_promtool

RULES = K8S / "alerts" / "hotpeers.yaml"
TESTS = K8S / "alerts" / "tests" / "hotpeers.test.yaml"
DASHBOARDS = sorted((K8S / "dashboards").glob("*.json"))
NAMES = {
    rule["alert"]
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}


@pytest.fixture(scope="session")
def promtool(pytestconfig: pytest.Config) -> Path:
    return programs(pytestconfig, "promtool", ensure_promtool)


def run(program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_rules_are_valid_and_have_no_lint(promtool: Path) -> None:
    done = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(NAMES)} rules found" in done.stdout


def test_rules_pass_their_tests(promtool: Path) -> None:
    done = run(promtool, "test", "rules", TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_a_rule_that_does_not_fire(promtool: Path, tmp_path: Path) -> None:
    text = RULES.read_text().replace("hotpeers_hold_waiting_seconds", "hotpeers_hold_waiting")
    (tmp_path / "hotpeers.yaml").write_text(text)
    (tmp_path / "tests").mkdir()
    tests = tmp_path / "tests" / TESTS.name
    tests.write_text(TESTS.read_text())
    done = run(promtool, "test", "rules", tests)
    assert done.returncode != 0
    assert "HotpeersHoldNotReleased" in done.stdout + done.stderr


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_promtool_parses_each_query_of_a_dashboard(path: Path, promtool: Path) -> None:
    for panel in json.loads(path.read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$__rate_interval", "5m")
            done = run(promtool, "--experimental", "promql", "format", query)
            assert done.returncode == 0, (panel["title"], query, done.stderr)
