"""Replacing the file: whole or not at all, by one process at a time."""

import os
import subprocess
import sys

import pytest

from hotpeers_shim.feed.store import Store

HOLD = (
    "import sys; from pathlib import Path; from hotpeers_shim.feed.store import Store\n"
    "store = Store(Path(sys.argv[1])); print(store.acquire(), flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "peers.json"


def test_file_and_its_folder_are_made(path):
    store = Store(path)
    assert store.acquire()
    store.write(b"one")
    store.write(b"two")
    assert path.read_bytes() == b"two"
    assert sorted(one.name for one in path.parent.iterdir()) == [".peers.json.lock", "peers.json"]


def test_failed_write_keeps_the_file_and_leaves_nothing(path, monkeypatch):
    store = Store(path)
    assert store.acquire()
    store.write(b"one")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write(b"two")
    assert path.read_bytes() == b"one"
    assert len(list(path.parent.iterdir())) == 2


def test_one_process_writes_until_it_ends(path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "True\n"
        store = Store(path)
        assert not store.acquire()
        (path.parent / ".peers.json.abc.tmp").write_text("left by a writer that was killed")
        other.kill()
        other.wait(timeout=30)
        assert store.acquire()
        assert store.acquire()
    assert [one.name for one in path.parent.iterdir()] == [".peers.json.lock"]


def test_forked_child_does_not_keep_the_lock(path):
    store = Store(path)
    assert store.acquire()
    code = (
        "import os, sys; from pathlib import Path; from hotpeers_shim.feed.store import Store\n"
        "store = Store(Path(sys.argv[1])); assert store.acquire()\n"
        "if os.fork():\n"
        "    os._exit(0)\n"
        "print('child', flush=True); sys.stdin.read()\n"
    )
    store.release()
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout.readline() == "child\n"
        parent.wait(timeout=30)
        assert store.acquire()
        parent.stdin.close()


def test_folder_that_cannot_be_made_raises(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Store(tmp_path / "file" / "peers.json").acquire()
