"""Reading of the mounted files, of any kind and content."""

import os
import threading
from pathlib import Path

import pytest

from hotpeers_shim.contract import Nack, Rejection
from hotpeers_shim.hot.content import Content
from hotpeers_shim.hot.document import MAX_BYTES, parse_document
from hotpeers_shim.hot.folder import Folder
from kit.hot_files import Volume


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "config")


def test_folder_reads_all_files(volume, tmp_path):
    skills = tmp_path / "skills.json"
    skills.write_bytes(b"K")
    volume.configure({"a": 1}, **{"srt-settings.json": b"srt"})
    found = Folder(volume.path, skills=skills).read()
    assert found == Content(b'{"a": 1}', b'{"name": "agent"}', b"srt", b"K")


def test_a_folder_without_versions_is_read(tmp_path):
    (tmp_path / "config.json").write_bytes(b"{}")
    (tmp_path / "agent-card.json").write_bytes(b"[]")
    assert Folder(tmp_path).read() == Content(b"{}", b"[]")


def test_each_change_alters_the_stamp_of_config_json(volume):
    folder = Folder(volume.path)
    assert folder.stamp() is None
    stamps = set()
    for number in range(3):
        volume.configure({"a": 1}, card={"n": number})
        stamps.add(folder.stamp())
    assert len(stamps) == 3


def test_files_are_read_from_one_version_while_they_are_replaced(volume):
    volume.configure({"n": 0}, card={"n": 0})
    folder, done = Folder(volume.path), threading.Event()

    def replace():
        for number in range(1, 400):
            volume.configure({"n": number}, card={"n": number})
        done.set()

    writer = threading.Thread(target=replace)
    writer.start()
    looks = 0
    while not done.is_set() or not looks:
        found = folder.read()
        looks += 1
        if isinstance(found, Content):
            assert parse_document(found.config) == parse_document(found.card)
        else:
            assert found.reason is Nack.FILE_MISSING
    writer.join(60)
    assert isinstance(folder.read(), Content)


def _descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _directory(path):
    path.mkdir()


def _fifo(path):
    os.mkfifo(path)


def _device(path):
    path.symlink_to("/dev/zero")


def _loop(path):
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [_directory, _fifo, _device, _loop])
def test_non_regular_file_is_refused_at_once(tmp_path, make):
    (tmp_path / "agent-card.json").write_bytes(b"{}")
    make(tmp_path / "config.json")
    descriptors = _descriptors()
    found = Folder(tmp_path).read()
    assert isinstance(found, Rejection)
    assert found.reason is Nack.FILE_UNREADABLE
    assert str(tmp_path) not in found.message
    assert _descriptors() == descriptors


def test_a_file_beyond_the_limit_is_refused(volume):
    volume.configure(b"x" * (5 * 1024 * 1024))
    found = Folder(volume.path).read()
    assert (found.reason, f"{MAX_BYTES}" in found.message) == (Nack.FILE_TOO_LARGE, True)


def test_a_missing_file_is_named(volume):
    volume.write(**{"config.json": b"{}"})
    found = Folder(volume.path).read()
    assert (found.reason, found.message) == (Nack.FILE_MISSING, "agent-card.json does not exist")


def test_annotations_of_the_pod_are_read(volume, tmp_path):
    info = tmp_path / "pod"
    info.mkdir()
    folder = Folder(volume.path, pod_info=info)
    assert (folder.own_hash(), folder.wanted()) == ("", None)
    (info / "config-hash").write_text("123\n")
    (info / "held-config").write_text('{"hash": "5", "secrets": "ff"}')
    assert folder.own_hash() == "123"
    assert folder.wanted().hash == "5"
    before = folder.stamps()
    (info / "held-config").write_text('{"hash": "56", "secrets": "ff"}')
    assert folder.stamps() != before
