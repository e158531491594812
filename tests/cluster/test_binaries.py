"""How the binaries are come by; a stand-in for Go takes no minutes."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster import binaries
from cluster.binaries import NoBinariesError, cache_folder, ensure_binaries, find_go

TESTS = Path(__file__).parents[1]
GO = """#!/bin/sh
if [ "$1" = env ]; then echo "$GO_IS"; exit; fi
echo "$@" >> "$GO_LOG"
while [ "$1" != -o ]; do shift; done
[ -z "$GO_FAILS" ] || { echo "no network" >&2; exit 1; }
echo binary > "$2"
"""


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A stand-in for Go and an empty cache; what was asked of Go so far."""
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


def test_first_run_builds_and_tells_and_the_next_one_finds(
    builds: Callable[[], list[str]], tmp_path: Path
) -> None:
    told: list[str] = []
    folder = ensure_binaries(told.append)
    assert folder.is_relative_to(tmp_path / "cache" / "hotpeers" / "cluster")
    assert sorted(path.name for path in folder.iterdir()) == ["etcd", "kube-apiserver"]
    assert any("built kube-apiserver in" in line for line in told)
    assert ensure_binaries(told.append) == folder
    assert builds() == [*binaries.PACKAGES.values()]


def test_two_runs_at_once_build_once(builds: Callable[[], list[str]]) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: ensure_binaries(lambda _: None), range(2))
    assert first == second
    assert len(builds()) == 2


def test_build_that_fails_leaves_no_folder_and_says_why(
    builds: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO_FAILS", "yes")
    with pytest.raises(NoBinariesError, match="no network"):
        ensure_binaries(lambda _: None)
    assert [path.suffix for path in cache_folder().parent.iterdir()] == [".lock"]


def test_cache_follows_what_is_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builds: Callable[[], list[str]]
) -> None:
    before = cache_folder()
    for name in ("go.mod", "go.sum"):
        (tmp_path / name).write_text((TESTS / "cluster" / name).read_text() + "\n")
    monkeypatch.setattr(binaries, "_HERE", tmp_path)
    assert cache_folder() != before
    assert cache_folder().parent == before.parent


@pytest.mark.parametrize("version", ["go1.25.9", "devel", ""])
def test_go_that_go_mod_does_not_accept_is_left(
    version: str,
    builds: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("GO_IS", version)
    monkeypatch.setattr(binaries, "_WHEEL_GO", tmp_path / "none")
    assert find_go() is None
    with pytest.raises(NoBinariesError, match="make cluster"):
        ensure_binaries(lambda _: None)


def test_prebuilt_assets_are_taken_and_checked(
    builds: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(NoBinariesError, match="has no etcd and no kube-apiserver"):
        ensure_binaries(lambda _: None)
    for name in binaries.PACKAGES:
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
    command = [sys.executable, "-m", "pytest", "-p", "cluster.fixtures", "-c", os.devnull, test]
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
    assert "NOT TESTED: Kubernetes" in run.stdout
    assert "has no etcd and no kube-apiserver" in run.stdout
    assert ("1 skipped" if not ci else "1 error") in run.stdout
