"""The peer file as the shim sees it: with any content, the last good list stays live."""

import gc
import json
import os

import pytest

from hotpeers_shim import reader as reader_module
from hotpeers_shim.contract import MAX_FILE_BYTES, Nack
from hotpeers_shim.reader import LARGE_FILE_BYTES, PeerReader


def document(*names, **more):
    peers = [{"name": name, "url": "http://peer:8080"} for name in names]
    return json.dumps({"apiVersion": "hotpeers.dev/v1", "generation": 1, "peers": peers, **more})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "peers.json"


@pytest.fixture
def reader(path):
    path.write_text(document("weather"))
    reader = PeerReader(path)
    assert names(reader) == ["weather"]
    return reader


def names(reader):
    return [peer.name for peer in reader.current().file.peers]


MALFORMED = {
    "empty": (b"", Nack.FILE_EMPTY),
    "only zeros, as after a power cut": (b"\x00" * 100, Nack.FILE_EMPTY),
    "cut": (document("weather", "news").encode()[:-20], Nack.NOT_JSON),
    "wrong type of the whole": (b"[]", Nack.WRONG_SHAPE),
    "wrong type of the list": (b'{"peers": {}}', Nack.WRONG_SHAPE),
    "wrong type of a peer": (b'{"peers": ["weather"]}', Nack.WRONG_SHAPE),
    "no list": (b"{}", Nack.WRONG_SHAPE),
    "null": (b"null", Nack.WRONG_SHAPE),
    "null list": (b'{"peers": null}', Nack.WRONG_SHAPE),
    "10 MB": (b" " * 10_000_000 + document().encode(), Nack.FILE_TOO_LARGE),
    "duplicate names": (document("weather", "weather").encode(), Nack.DUPLICATE_TOOL_NAME),
    "unknown major version": (
        document("news", apiVersion="hotpeers.dev/v2").encode(),
        Nack.UNSUPPORTED_VERSION,
    ),
    "invalid UTF-8": (b'{"peers": [], "x": "\xff"}', Nack.NOT_UTF8),
    "half a surrogate pair": (document("\ud800").encode(), Nack.WRONG_SHAPE),
    "deep nesting": (b"[" * 200_000, Nack.NOT_JSON),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_file_keeps_the_last_good_list(path, reader, kind):
    content, reason = MALFORMED[kind]
    path.write_bytes(content)
    assert names(reader) == ["weather"]
    assert reader.current().rejection.reason is reason
    path.write_text(document("news"))
    assert names(reader) == ["news"]
    assert reader.current().rejection is None


def test_a_deleted_file_keeps_the_last_good_list(path, reader):
    path.unlink()
    assert names(reader) == ["weather"]
    assert reader.current().rejection.reason is Nack.FILE_MISSING
    path.write_text(document())
    assert names(reader) == []


def test_a_folder_in_its_place_keeps_the_last_good_list(path, reader):
    path.unlink()
    path.mkdir()
    assert names(reader) == ["weather"]
    assert reader.current().rejection.reason is Nack.FILE_UNREADABLE


def test_an_empty_list_removes_all(path, reader):
    path.write_text('{"peers": []}')
    assert names(reader) == []
    assert reader.current().rejection is None


def test_file_that_was_never_valid_gives_no_list(path):
    path.write_text("{")
    view = PeerReader(path).current()
    assert view.file is None
    assert view.rejection.reason is Nack.NOT_JSON


def test_unchanged_file_is_not_read_again(path, reader, monkeypatch):
    view = reader.current()
    monkeypatch.setattr(type(path), "open", lambda *_: pytest.fail("the file was read"))
    assert reader.current() is view


def test_a_replaced_file_of_the_same_size_and_time_is_read(path, reader):
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    other = path.with_name("other")
    other.write_text(document("climate"))
    assert other.stat().st_size == path.stat().st_size
    os.utime(other, ns=times)
    other.replace(path)
    assert names(reader) == ["climate"]


def test_a_symlink_that_is_swapped_is_followed(tmp_path):
    for number, name in enumerate(("one", "two")):
        (tmp_path / f"v{number}").mkdir()
        (tmp_path / f"v{number}/peers.json").write_text(document(name))
    (tmp_path / "..data").symlink_to("v0")
    (tmp_path / "peers.json").symlink_to("..data/peers.json")
    reader = PeerReader(tmp_path / "peers.json")
    assert names(reader) == ["one"]
    (tmp_path / "..next").symlink_to("v1")
    (tmp_path / "..next").replace(tmp_path / "..data")
    assert names(reader) == ["two"]


def test_the_largest_file_that_is_allowed_is_read(path):
    text = document("weather")
    path.write_text(text + " " * (MAX_FILE_BYTES - len(text)))
    assert names(PeerReader(path)) == ["weather"]


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("count", [1, 6_000])
def test_cycle_collector_is_paused_only_while_a_large_file_is_read(
    path, monkeypatch, count, enabled
):
    seen = []
    load = reader_module.load_peer_file

    def watched(*arguments):
        seen.append(gc.isenabled())
        return load(*arguments)

    monkeypatch.setattr(reader_module, "load_peer_file", watched)
    path.write_text(document(*(f"agent-{number}" for number in range(count))))
    was = gc.isenabled()
    try:
        gc.enable() if enabled else gc.disable()
        assert len(names(PeerReader(path))) == count
        assert gc.isenabled() is enabled
    finally:
        gc.enable() if was else gc.disable()
    large = path.stat().st_size > LARGE_FILE_BYTES
    assert large is (count > 1)
    assert seen == [enabled and not large]


def test_a_changed_file_is_left_for_later_if_its_size_says_so(path, reader):
    path.write_text(document("weather", "news"))
    size = path.stat().st_size
    asked = []
    assert len(reader.current(lambda size: not asked.append(size)).file.peers) == 1
    assert asked == [size]
    assert reader.unread() == size
    assert names(reader) == ["weather", "news"]
    assert reader.unread() == 0
    path.unlink()
    assert reader.unread() == 0
