"""The hook that an agent's start waits for: it ends in time, and never fails."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hotpeers import hook
from hotpeers.hook import install_in_time
from hotpeers.inject.imagepath.program import PROGRAM
from hotpeers.sidecar.reasons import SidecarReason
from hotpeers.sidecar.shim.absence import Absence
from kit.waiting import until


def run(folder: Path | str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hotpeers.hook", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_hook_installs_the_shim_without_output(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "hotpeers_shim/bootstrap/sitecustomize.py").is_file()


def test_second_run_does_not_change_the_installed_shim(tmp_path: Path) -> None:
    """A sidecar that starts again finds its agent at work, which may import more of it."""
    install_in_time(tmp_path)
    before = {path: path.stat() for path in tmp_path.rglob("*")}
    install_in_time(tmp_path)
    after = {path: path.stat() for path in tmp_path.rglob("*")}
    assert {path: (one.st_ino, one.st_ctime_ns) for path, one in before.items()} == {
        path: (one.st_ino, one.st_ctime_ns) for path, one in after.items()
    }


def test_a_damaged_copy_is_replaced(tmp_path: Path) -> None:
    install_in_time(tmp_path)
    file = tmp_path / "hotpeers_shim/live.py"
    text = file.read_text()
    file.write_text("")
    install_in_time(tmp_path)
    assert file.read_text() == text
    assert {path.name for path in tmp_path.iterdir()} == {"hotpeers_shim", PROGRAM}


def test_unwritable_folder_is_reported_and_the_hook_succeeds() -> None:
    done = run("/proc/nowhere")
    assert done.returncode == 0
    assert done.stderr.startswith("error: /proc/nowhere/hotpeers_shim: ")
    assert done.stderr.endswith("; the agent starts without its peers\n")
    assert done.stderr.count("\n") == 1


def test_full_disk_prints_one_short_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def copy(source: Path, target: Path) -> None:
        cause = "[Errno 28] No space left on device"
        raise shutil.Error([(str(source), str(target), cause)] * 40)

    monkeypatch.setattr(shutil, "copytree", copy)
    install_in_time(tmp_path)
    told = capsys.readouterr().err
    assert "No space left on device" in told
    assert len(told) < 300
    # The container that reads the image's PYTHONPATH needs its program, and the agent waits for it.
    assert [path.name for path in tmp_path.iterdir()] == [PROGRAM]


def test_slow_installation_is_given_up_without_a_partial_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hang(_folder: Path, _place: Path) -> None:
        time.sleep(60)

    monkeypatch.setattr("hotpeers.sidecar.shim.install._compile", hang)
    began = time.monotonic()
    install_in_time(tmp_path, 0.1)
    assert time.monotonic() - began < 30
    assert "was not copied within 0.1 s" in capsys.readouterr().err
    # The container that reads the image's PYTHONPATH needs its program, and the agent waits for it.
    assert [path.name for path in tmp_path.iterdir()] == [PROGRAM]


def test_error_is_written_to_the_log_of_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setattr(hook, "_LOG", log)
    install_in_time(Path("/proc/nowhere"))
    assert not log.exists()
    monkeypatch.setattr(os, "getppid", lambda: 0)
    install_in_time(Path("/proc/nowhere"))
    assert log.read_text().startswith("error: /proc/nowhere/hotpeers_shim: ")


def test_hook_imports_no_slow_module() -> None:
    code = (
        "import sys, hotpeers.hook;"
        "heavy = {'click', 'asyncio', 'pydantic', 'json', 'logging', 'py_compile'};"
        "shim = {name for name in sys.modules if name.startswith('hotpeers_shim')};"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys(); assert not shim, shim"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_shim_that_is_missing_is_a_problem_until_it_is_there(tmp_path: Path) -> None:
    absence = Absence(tmp_path, patience=0)
    assert absence.changes()
    assert absence.problem is not None
    assert absence.problem.reason is SidecarReason.SHIM_NOT_INSTALLED
    assert not absence.changes()
    install_in_time(tmp_path)
    assert absence.changes()
    assert absence.problem is None


def test_a_shim_that_is_missing_is_installed_once_that_is_possible(tmp_path: Path) -> None:
    folder = tmp_path / "shim"
    folder.write_text("in the way")
    absence = Absence(folder, patience=0, pause=0)
    assert absence.changes()
    assert not absence.changes()
    folder.unlink()
    until("the shim to be installed", absence.changes, 30)
    assert absence.problem is None
    assert (folder / PROGRAM).exists()
    until("the process to end", lambda: not absence.installing, 30)


def test_shim_that_is_being_copied_is_not_reported_missing(tmp_path: Path) -> None:
    assert not Absence(tmp_path).changes()
    assert not Absence(None, patience=0).changes()
