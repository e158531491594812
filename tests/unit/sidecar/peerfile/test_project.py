"""The peer file: whole at every moment, counted up, and never lost."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotpeers.sidecar.peerfile.encoding import Encodings
from hotpeers.sidecar.peerfile.writer import ProjectionError, Projector, remove_leftovers
from hotpeers_shim.contract import Peer, PeerFile, digest_of, encode_peer, load_peer_file


def peer(name: str, description: str = "") -> Peer:
    return Peer(
        name, f"http://{name}", name, description=description, fingerprint="f", source=f"{name}#"
    )


def read(path: Path) -> PeerFile:
    found = load_peer_file(path.read_bytes())
    assert isinstance(found, PeerFile), found
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "peers.json"


def test_first_file_is_generation_one_and_readable_by_others(path: Path) -> None:
    made = Projector(path, "ns/me").project([peer("a")])
    assert read(path) == PeerFile(1, (peer("a"),), "ns/me", digest_of([encode_peer(peer("a"))]))
    assert (made.generation, made.written, made.digest) == (1, True, read(path).digest)
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_same_content_is_not_written_again(path: Path) -> None:
    projector = Projector(path)
    projector.project([peer("a")])
    before = path.stat()
    assert not projector.project([peer("a")]).written
    assert path.stat() == before


@pytest.mark.parametrize(
    "peers", [[], [peer("a", "new")], [peer("b"), peer("a")], [peer("a"), peer("b")]]
)
def test_each_change_counts_up_by_one(path: Path, peers: list[Peer]) -> None:
    projector = Projector(path)
    projector.project([peer("a")])
    assert projector.project(peers).generation == 2
    assert read(path).peers == tuple(peers)


def test_restart_continues_the_file(path: Path) -> None:
    first = Projector(path)
    first.project([peer("a")])
    first.project([peer("b")])
    again = Projector(path)
    assert (again.generation, again.peers) == (2, (peer("b"),))
    assert not again.project([peer("b")]).written
    assert again.project([peer("c")]).generation == 3


def test_changed_orchestrator_is_a_new_generation(path: Path) -> None:
    Projector(path, "ns/a").project([])
    assert Projector(path, "ns/b").project([]).generation == 2


@pytest.mark.parametrize("raw", [b"", b"{", b'{"peers": 7}', b"\xff"])
def test_broken_file_is_replaced_with_a_generation_above_the_acked(path: Path, raw: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(raw)
    projector = Projector(path)
    assert projector.rejection is not None
    assert projector.project([], acked=41).generation == 42


def test_missing_file_is_not_reported(path: Path) -> None:
    assert Projector(path).rejection is None


def test_file_with_the_last_number_there_is_starts_over(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"generation": 9223372036854775807, "peers": []}')
    assert Projector(path).project([peer("a")]).generation == 1
    assert read(path).peers == (peer("a"),)


def test_file_that_was_taken_away_or_overwritten_is_put_back(path: Path) -> None:
    projector = Projector(path)
    projector.project([peer("a")])
    path.unlink()
    assert not projector.intact
    assert projector.project([peer("a")]).generation == 2
    path.write_bytes(b"{}")
    assert not projector.intact
    projector.project([peer("a")])
    assert read(path).peers == (peer("a"),)


@pytest.mark.parametrize("step", ["os.replace", "os.fsync", "tempfile.mkstemp"])
def test_full_disk_leaves_the_last_good_file(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    projector = Projector(path)
    projector.project([peer("a")])
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(step, full)
        with pytest.raises(ProjectionError, match="No space left") as caught:
            projector.project([peer("b")])
    assert isinstance(caught.value.__cause__, OSError)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert projector.peers == (peer("a"),)
    assert projector.project([peer("b")]).generation == 2


def test_projection_works_on_a_file_system_without_folder_sync(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def only_files(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr("os.fsync", only_files)
    assert Projector(path).project([peer("a")]).generation == 1
    assert read(path).peers == (peer("a"),)


def test_unwritable_folder_raises_projection_error() -> None:
    with pytest.raises(ProjectionError):
        Projector(Path("/proc/peers.json")).project([])


def test_only_leftovers_of_ours_are_removed(path: Path) -> None:
    path.parent.mkdir()
    ours = path.parent / ".peers.json.ab12_xyz.tmp"
    others = [path.parent / name for name in (".other.json.ab12_xyz.tmp", "peers.json.tmp", "acks")]
    for file in (ours, *others):
        file.write_text("x")
    remove_leftovers(path)
    assert sorted(path.parent.iterdir()) == sorted(others)
    remove_leftovers(path.parent / "nowhere" / "peers.json")


def test_unchanged_peers_are_not_encoded_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []

    def counting(one: Peer) -> bytes:
        encoded.append(one.name)
        return encode_peer(one)

    monkeypatch.setattr("hotpeers.sidecar.peerfile.encoding.encode_peer", counting)
    projector = Projector(path)
    same = peer("a")
    projector.project([same, peer("b")])
    projector.project([same, peer("b", "new"), peer("c")])
    assert encoded == ["a", "b", "b", "c"]


@given(st.lists(st.lists(st.integers(0, 9), unique=True, max_size=10), max_size=6))
def test_cached_encodings_never_change_the_file(lists: list[list[int]]) -> None:
    known = [peer(f"p{number}") for number in range(10)]
    encodings = Encodings()
    for numbers in lists:
        # Some are the same object as before and some only equal.
        peers = [known[n] if n % 3 else replace(known[n]) for n in numbers]
        encoded, digest = encodings.update(peers)
        assert list(encoded) == [encode_peer(one) for one in peers]
        assert digest == digest_of(encoded)
