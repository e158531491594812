"""The workflows of GitHub: valid, with pinned actions and the least rights."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.apiserver.fixtures import programs
from kit.workflows.binaries import ensure_actionlint

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
ZIZMOR = ROOT / ".venvs" / "workflows" / "bin" / "zizmor"
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def workflow(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text()))


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    return dict(workflow(file)["jobs"])


def actions(file: Path) -> Iterator[str]:
    for job in jobs(file).values():
        yield from (step["uses"] for step in job.get("steps", ()) if "uses" in step)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="session")
def actionlint(pytestconfig: pytest.Config) -> Path:
    return programs(pytestconfig, "actionlint", ensure_actionlint)


def test_actionlint_finds_no_fault(actionlint: Path) -> None:
    # shellcheck and pyflakes would be used if they happen to be installed.
    done = run(actionlint, "-no-color", "-shellcheck=", "-pyflakes=", *FILES)
    assert (done.returncode, done.stdout) == (0, "")


def test_actionlint_would_find_a_fault(actionlint: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(FILES[0].read_text().replace("runs-on:", "runs-in:"))
    done = run(actionlint, "-no-color", "-shellcheck=", "-pyflakes=", wrong)
    assert done.returncode == 1
    assert 'unexpected key "runs-in"' in done.stdout


def zizmor(*files: Path) -> subprocess.CompletedProcess[str]:
    return run(ZIZMOR, "--offline", "--no-progress", "--persona=pedantic", "--color=never", *files)


def test_zizmor_finds_no_fault() -> None:
    done = zizmor(*FILES, ROOT / ".github" / "dependabot.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_would_find_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    file = folder / "release.yml"
    shutil.copy(FOLDER / "release.yml", file)
    file.write_text(
        file.read_text().replace('"$REFERENCE"', "${{ github.event.head_commit.message }}")
    )
    done = zizmor(file)
    assert done.returncode != 0
    assert "template-injection" in done.stdout


@each_file
def test_every_action_is_pinned_by_its_commit_and_names_its_version(file: Path) -> None:
    used = list(actions(file))
    assert used
    for one in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one), one
    named = re.findall(r"uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", file.read_text(), re.MULTILINE)
    assert len(named) == len(used)


def test_an_action_has_one_version_in_all_workflows() -> None:
    used = {one for file in FILES for one in actions(file)}
    assert len({one.partition("@")[0] for one in used}) == len(used)


@each_file
def test_rights_are_given_to_jobs(file: Path) -> None:
    given = workflow(file)["permissions"]
    assert given in ({}, {"contents": "read"})
    for name, job in jobs(file).items():
        assert job.get("timeout-minutes") or "uses" in job, name


def test_only_the_job_of_pypi_publishes_there_and_may_do_nothing_else() -> None:
    found = jobs(FOLDER / "release.yml")
    publishing = [
        name
        for name, job in found.items()
        if any("gh-action-pypi-publish" in step.get("uses", "") for step in job.get("steps", ()))
    ]
    assert publishing == ["pypi"]
    assert found["pypi"]["permissions"] == {"id-token": "write"}
    # Code of the repository does not run beside that right.
    assert not any("run" in step or "checkout" in str(step) for step in found["pypi"]["steps"])


def test_nothing_is_published_before_the_tests_passed() -> None:
    found = jobs(FOLDER / "release.yml")

    def needs(name: str) -> set[str]:
        asked = found[name].get("needs", [])
        direct = {asked} if isinstance(asked, str) else set(asked)
        return direct.union(*(needs(one) for one in direct))

    assert found["test"]["uses"] == "./.github/workflows/ci.yml"
    for name in set(found) - {"test"}:
        assert "test" in needs(name), name


@pytest.mark.parametrize("name", ["wheel", "image", "chart"])
def test_each_artifact_has_a_provenance_and_an_sbom(name: str) -> None:
    steps = jobs(FOLDER / "release.yml")[name]["steps"]
    attested = [step["with"] for step in steps if "actions/attest@" in step.get("uses", "")]
    assert sorted("sbom-path" in one for one in attested) == [False, True]
    signed = any("cosign sign" in step.get("run", "") for step in steps)
    # PyPI's own attestations are the wheel's signature.
    assert signed == (name != "wheel")


def test_workflow_runs_what_must_pass() -> None:
    commands = [
        step.get("run", "") for job in jobs(FOLDER / "ci.yml").values() for step in job["steps"]
    ]
    asked = {word for one in commands for word in re.findall(r"\.ci/run (\w+)", one)}
    (default,) = re.findall(r"set -- (.*)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert asked == set(default.split())


@each_file
def test_scripts_are_valid_and_contain_no_expressions(file: Path) -> None:
    scripts = [
        step["run"] for job in jobs(file).values() for step in job.get("steps", ()) if "run" in step
    ]
    assert scripts
    for script in scripts:
        # An expression in a script is replaced before the shell reads it: values come by variables.
        assert "${{" not in script
        done = subprocess.run(
            ["bash", "-n"], input=script, capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
