"""How the binaries are come by; a stand-in for Go takes no minutes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from kit.apiserver import gobuild
from kit.apiserver.binaries import API_SERVER, NoBinariesError, ensure_binaries, needs_go
from kit.apiserver.gobuild import Module, ensure

TESTS = Path(__file__).parents[2]
GO = """#!/bin/sh
if [ "$1" = env ]; then echo "$GO_IS"; exit; fi
echo "$@" >> "$GO_LOG"
while [ "$1" != -o ]; do shift; done
[ -z "$GO_FAILS" ] || { echo "no network" >&2; exit 1; }
echo binary > "$2"
"""


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A stand-in for Go and an empty cache; returns the calls of Go so far."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO)
    go.chmod(0o755)
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")
    monkeypatch.setenv("GO_IS", "go1.26.0")
    monkeypatch.setenv("GO_LOG", str(log))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return lambda: [line.split()[-1] for line in log.read_text().splitlines()]


def test_first_run_builds_and_the_next_one_reuses_the_cache(
    builds: Callable[[], list[str]], tmp_path: Path
) -> None:
    told: list[str] = []
    folder = ensure_binaries(told.append)
    assert folder.is_relative_to(tmp_path / "cache" / "hotpeers" / "cluster")
    assert sorted(path.name for path in folder.iterdir()) == ["etcd", "kube-apiserver"]
    assert any("built kube-apiserver in" in line for line in told)
    assert ensure_binaries(told.append) == folder
    assert builds() == [*API_SERVER.programs.values()]


def test_two_runs_at_once_build_once(builds: Callable[[], list[str]]) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: ensure_binaries(lambda _: None), range(2))
    assert first == second
    assert len(builds()) == 2


def test_failed_build_leaves_no_folder_and_reports_the_cause(
    builds: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO_FAILS", "yes")
    with pytest.raises(NoBinariesError, match="no network"):
        ensure_binaries(lambda _: None)
    assert [path.suffix for path in API_SERVER.cache.parent.iterdir()] == [".lock"]


def test_cache_depends_on_the_pinned_sources(tmp_path: Path) -> None:
    for name in ("go.mod", "go.sum"):
        shutil.copy(API_SERVER.folder / name, tmp_path)
    same = replace(API_SERVER, folder=tmp_path)
    assert same.cache == API_SERVER.cache
    changed = [same.cache, replace(same, flags=("-tags=seccomp",)).cache]
    (tmp_path / "main.go").write_text("package main\n")
    changed.append(same.cache)
    (tmp_path / "go.sum").write_text("")
    changed.append(same.cache)
    assert len(set(changed)) == 4
    assert {one.parent for one in changed} == {API_SERVER.cache.parent}
    assert replace(same, name="node").cache.parent != API_SERVER.cache.parent


def test_module_is_built_with_its_own_flags_in_a_folder_of_its_own(
    builds: Callable[[], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "go.mod").write_text("module tool\n\ngo 1.26\n")
    (tmp_path / "go.sum").touch()
    module = Module("tool", tmp_path, {"tool": "."}, flags=("-tags=seccomp",))
    assert (ensure(module, lambda _: None) / "tool").read_text() == "binary\n"
    assert "-tags=seccomp" in (tmp_path / "log").read_text()
    assert builds() == ["."]
    assert not API_SERVER.is_built


@pytest.mark.parametrize("version", ["go1.25.9", "go1.26rc1", "devel", ""])
def test_go_that_go_mod_does_not_accept_is_left(
    version: str,
    builds: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("GO_IS", version)
    monkeypatch.setattr(gobuild, "_WHEEL_GO", tmp_path / "none")
    assert needs_go()
    with pytest.raises(NoBinariesError, match="make cluster"):
        ensure_binaries(lambda _: None)


def test_prebuilt_assets_are_taken_and_checked(
    builds: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(NoBinariesError, match="has no etcd and no kube-apiserver"):
        ensure_binaries(lambda _: None)
    for name in API_SERVER.programs:
        (tmp_path / name).touch(0o755)
    assert ensure_binaries(lambda _: None) == tmp_path
    assert builds() == []


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_run_without_binaries_is_loud_and_in_ci_an_error(
    ci: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = tmp_path / "test_it.py"
    test.write_text("def test_it(cluster): ...\n")
    environment = {
        **os.environ,
        "CI": ci,
        "KUBEBUILDER_ASSETS": str(tmp_path),
        "PYTHONPATH": str(TESTS),
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "kit.apiserver.fixtures",
        "-c",
        os.devnull,
        test,
    ]
    run = subprocess.run(
        command,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == code, run.stdout
    assert "NOT TESTED: etcd and kube-apiserver" in run.stdout
    assert "has no etcd and no kube-apiserver" in run.stdout
    assert ("1 skipped" if not ci else "1 error") in run.stdout
