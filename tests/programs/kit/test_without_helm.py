"""Where helm cannot be built, the run says so, and in CI it fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.26.99; exit; fi
echo "no network" >&2; exit 1
"""


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_run_is_loud_and_in_ci_an_error(ci: str, code: int, tmp_path: Path) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO)
    go.chmod(0o755)
    test = tmp_path / "test_it.py"
    test.write_text("def test_it(helm): ...\n")
    environment = {
        **os.environ,
        "CI": ci,
        "PATH": f"{go.parent}:/usr/bin:/bin",
        "PYTHONPATH": str(TESTS),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    plugins = ["-p", "kit.apiserver.fixtures", "-p", "kit.chart.fixtures"]
    command = [sys.executable, "-m", "pytest", *plugins, "-c", os.devnull, test]
    run = subprocess.run(
        command,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == code, run.stdout
    assert "NOT TESTED: helm" in run.stdout
    assert "no network" in run.stdout
