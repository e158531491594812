"""The store of containerd's folder, with a folder made by hand."""

from pathlib import Path

import pytest

from kit.node.store import Store

BLOB = Path("io.containerd.content.v1.content/blobs/sha256/abc")
UNPACKED = Path("io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/usr/bin/python3")
BOOK = Path("io.containerd.metadata.v1.bolt/meta.db")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache" / "hotpeers" / "node").mkdir(parents=True)
    return Store()


def make_root(folder: Path) -> Path:
    for file in (BLOB, UNPACKED, BOOK):
        (folder / file).parent.mkdir(parents=True)
        (folder / file).write_text(file.name)
    (folder / UNPACKED).chmod(0o755)
    return folder


def test_empty_store_restores_nothing(store: Store, tmp_path: Path) -> None:
    store.restore(tmp_path / "root")
    assert store.held() == {}
    assert not (tmp_path / "root").exists()


def test_changes_of_a_node_to_its_folder_do_not_reach_the_store(
    store: Store, tmp_path: Path
) -> None:
    store.save(make_root(tmp_path / "first"), {"localhost/a:1": "x"})
    assert store.held() == {"localhost/a:1": "x"}
    second = tmp_path / "second"
    second.mkdir()
    store.restore(second)
    assert (second / UNPACKED).stat().st_ino == (tmp_path / "first" / UNPACKED).stat().st_ino
    (second / BOOK).write_text("written by containerd")
    (second / BLOB).unlink()
    store.restore(tmp_path / "third")
    assert (tmp_path / "third" / BOOK).read_text() == "meta.db"
    assert (tmp_path / "third" / BLOB).read_text() == "abc"
    assert (tmp_path / "third" / UNPACKED).stat().st_mode & 0o777 == 0o755


def test_newer_state_takes_the_place_of_the_older(store: Store, tmp_path: Path) -> None:
    store.save(make_root(tmp_path / "first"), {"localhost/a:1": "x"})
    newer = make_root(tmp_path / "newer")
    (newer / BLOB).unlink()
    store.save(newer, {"localhost/a:1": "y"})
    store.restore(tmp_path / "root")
    assert store.held() == {"localhost/a:1": "y"}
    assert not (tmp_path / "root" / BLOB).exists()
