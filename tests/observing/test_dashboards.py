"""The dashboards, checked against the schema in Grafana's foundation SDK.

The schema knows every field and its type, also in the options of a panel and in a query. It does not
know which words a field of text may have, such as the modes of a colour.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kit.apiserver.fixtures import programs
from kit.chart.rendering import K8S
from kit.observing.binaries import ensure_grafana_schema

DASHBOARDS = sorted((K8S / "dashboards").glob("*.json"))


@pytest.fixture(scope="session")
def schema(pytestconfig: pytest.Config) -> Path:
    return programs(pytestconfig, "the check of dashboards", ensure_grafana_schema)


def mistakes(schema: Path, *paths: Path) -> str:
    command = [str(schema), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert (done.returncode == 1) == bool(done.stdout)
    return done.stdout


def test_dashboards_fit_the_schema(schema: Path) -> None:
    assert len(DASHBOARDS) == 4
    assert mistakes(schema, *DASHBOARDS) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda board: board.update(titel="x"), "unexpected field 'titel'"),
        (lambda board: board.update(schemaVersion="39"), "schemaVersion"),
        (lambda board: board["panels"][0]["options"].pop("orientation"), "options.orientation"),
        (lambda board: board["panels"][0]["gridPos"].update(w="4"), "gridPos.w"),
        (lambda board: board["panels"][0]["targets"][0].update(expression="up"), "expression"),
    ],
)
def test_schema_finds_mistakes(change: Any, said: str, schema: Path, tmp_path: Path) -> None:
    board = json.loads(DASHBOARDS[0].read_text())
    change(board)
    path = tmp_path / "board.json"
    path.write_text(json.dumps(board))
    assert said in mistakes(schema, path)
