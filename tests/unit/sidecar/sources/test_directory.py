"""The directory source: which snapshots changes of files yield, and that no peer is lost."""

import asyncio
import os
import pickle
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from hotpeers.base.reasons import Reason
from hotpeers.model.reasons import ModelReason
from hotpeers.model.snapshot import Snapshot
from hotpeers.sidecar.reasons import SidecarReason
from hotpeers.sidecar.sources.directory import DirectorySource
from hotpeers_shim.contract import Nack

SECONDS = 60.0


def manifest(name: str, description: str = "d") -> str:
    return (
        "apiVersion: hotpeers.dev/v1alpha1\nkind: Peer\n"
        f"metadata: {{name: {name}}}\n"
        f"spec: {{url: 'http://{name}', description: '{description}'}}\n"
    )


def put(folder: Path, file: str, text: str) -> None:
    """Write as a careful program does."""
    temporary = folder / f".{file}.tmp"
    temporary.write_text(text)
    temporary.replace(folder / file)


class Follower:
    """Reads a source in the background and waits for expected snapshots."""

    def __init__(self, source: DirectorySource) -> None:
        self.seen: list[Snapshot] = []
        self._source = source
        self._new = asyncio.Condition()

    async def follow(self) -> None:
        async with aclosing(self._source.snapshots()) as snapshots:
            async for snapshot in snapshots:
                async with self._new:
                    self.seen.append(snapshot)
                    self._new.notify_all()

    async def until(self, condition: Callable[[Snapshot], bool]) -> Snapshot:
        async with asyncio.timeout(SECONDS), self._new:
            await self._new.wait_for(lambda: bool(self.seen) and condition(self.seen[-1]))
            return self.seen[-1]

    async def names(self, *expected: str) -> Snapshot:
        return await self.until(lambda now: [item.name for item in now.candidates] == [*expected])

    async def problem(self, reason: Reason | Nack) -> Snapshot:
        return await self.until(lambda now: reason in [item.reason for item in now.problems])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "peers"
    made.mkdir()
    return made


@pytest.fixture
async def follower(folder: Path) -> AsyncIterator[Follower]:
    made = Follower(DirectorySource(folder))
    task = asyncio.create_task(made.follow())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_files_come_change_and_go(folder: Path, follower: Follower) -> None:
    assert (await follower.names()).complete
    put(folder, "a.yaml", manifest("a"))
    put(folder, "b.yml", manifest("b") + "---\n" + manifest("c"))
    await follower.names("a", "b", "c")
    put(folder, "a.yaml", manifest("a", "other"))
    await follower.until(lambda now: now.candidates[0].description == "other")
    (folder / "b.yml").unlink()
    await follower.names("a")


async def test_foreign_files_are_ignored(folder: Path, follower: Follower) -> None:
    put(folder, "readme.txt", "text")
    (folder / ".hidden.yaml").write_text("[")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    put(folder, "a.yaml", manifest("a"))
    assert not (await follower.names("a")).problems


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_dangling_link(path: Path) -> None:
    path.symlink_to("missing")


def make_endless_link(path: Path) -> None:
    path.symlink_to(path.name)


STRANGE = [
    (make_folder, "a directory"),
    (make_pipe, "a named pipe"),
    (make_socket, "a socket"),
    (make_device, "a device"),
    (make_dangling_link, "a link to a missing file"),
    (make_endless_link, "symbolic links"),
]


@pytest.mark.parametrize(("make", "what"), STRANGE)
async def test_non_regular_file_is_reported_and_keeps_the_peers_of_the_file(
    folder: Path, follower: Follower, make: Callable[[Path], None], what: str
) -> None:
    put(folder, "a.yaml", manifest("a"))
    put(folder, "b.yaml", manifest("b"))
    await follower.names("a", "b")
    make(folder / ".new")
    if (folder / ".new").is_dir():
        (folder / "a.yaml").unlink()
    # A link is resolved from where it is: that of the endless one has another name there.
    if make is make_endless_link:
        (folder / ".new").unlink()
        (folder / ".new").symlink_to("a.yaml")
    (folder / ".new").replace(folder / "a.yaml")
    now = await follower.problem(Nack.FILE_UNREADABLE)
    (problem,) = now.problems
    assert problem.where == "a.yaml"
    assert what in problem.message
    assert [item.name for item in now.candidates] == ["a", "b"]
    put(folder, "c.yaml", manifest("c"))
    await follower.names("a", "b", "c")
    if (folder / "a.yaml").is_dir():
        (folder / "a.yaml").rmdir()
    else:
        (folder / "a.yaml").unlink()
    assert not (await follower.names("b", "c")).problems


async def test_non_regular_file_at_the_start_is_unread(folder: Path, follower: Follower) -> None:
    os.mkfifo(folder / "a.yaml")
    assert (await follower.problem(Nack.FILE_UNREADABLE)).unread == ("a.yaml#",)


async def test_problem_ends_when_the_file_is_readable_again(
    folder: Path, follower: Follower
) -> None:
    put(folder, "a.yaml", manifest("a"))
    await follower.names("a")
    (folder / "a.yaml").rename(folder / "kept")
    (folder / "a.yaml").symlink_to("missing")
    await follower.problem(Nack.FILE_UNREADABLE)
    (folder / "missing").symlink_to("kept")
    await follower.until(lambda now: not now.problems)


@pytest.mark.parametrize(
    ("old", "new", "reason", "message"),
    [
        (
            "url:",
            "url: 'http://b', url:",
            ModelReason.DUPLICATE_KEY,
            "the key 'url' is there twice",
        ),
        ("description:", "descripton:", ModelReason.UNKNOWN_FIELD, "did you mean 'description'?"),
        ("spec:", "sepc: {}\nspec:", ModelReason.UNKNOWN_FIELD, "did you mean 'spec'?"),
    ],
)
async def test_misspelt_peer_keeps_its_last_good_version(
    folder: Path, follower: Follower, old: str, new: str, reason: Reason, message: str
) -> None:
    put(folder, "a.yaml", manifest("a", "before"))
    await follower.names("a")
    put(folder, "a.yaml", manifest("a", "after").replace(old, new))
    now = await follower.problem(reason)
    assert message in now.problems[0].message
    assert [item.description for item in now.candidates] == ["before"]


async def test_misspelt_peer_that_is_new_is_reported_and_not_taken(
    folder: Path, follower: Follower
) -> None:
    put(folder, "a.yaml", manifest("a").replace("description", "descripton"))
    now = await follower.problem(ModelReason.UNKNOWN_FIELD)
    assert (now.candidates, now.problems[0].field) == ((), "spec.descripton")


async def test_misspelt_card_is_reported_and_taken(folder: Path, follower: Follower) -> None:
    put(folder, "a.json", '{"name": "a", "url": "http://a", "descripton": "d"}')
    now = await follower.problem(ModelReason.UNKNOWN_FIELD)
    assert ([item.name for item in now.candidates], now.unread) == (["a"], ())


async def test_file_rewritten_in_pieces_keeps_its_peers(folder: Path, follower: Follower) -> None:
    put(folder, "a.yaml", manifest("a"))
    await follower.names("a")
    text = manifest("a", "in pieces")
    (folder / "a.yaml").unlink()
    put(folder, "0.yaml", manifest("newcomer"))
    with (folder / "a.yaml").open("w") as file:
        for character in text:
            file.write(character)
            file.flush()
    await follower.until(lambda now: now.candidates[-1].description == "in pieces")
    assert all("a" in [item.name for item in now.candidates] for now in follower.seen[1:])


async def test_content_of_files_is_not_kept(folder: Path) -> None:
    source = DirectorySource(folder)
    put(folder, "a.yaml", "#" + "x" * 1_000_000)
    async with aclosing(source.snapshots()) as snapshots:
        await anext(snapshots)
        assert sys.getsizeof(pickle.dumps(source._files)) < 10_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", ModelReason.NOT_YAML),
        ("", Nack.FILE_EMPTY),
        (manifest("a") + "---\n" + manifest("A"), Nack.WRONG_SHAPE),
    ],
)
async def test_malformed_file_keeps_its_last_good_documents(
    folder: Path, follower: Follower, text: str, reason: Reason | Nack
) -> None:
    put(folder, "a.yaml", manifest("a") + "---\n" + manifest("b"))
    await follower.names("a", "b")
    put(folder, "a.yaml", text)
    now = await follower.problem(reason)
    assert [item.name for item in now.candidates] == ["a", "b"]
    assert now.problems[0].where == "a.yaml"
    put(folder, "a.yaml", manifest("b"))
    assert not (await follower.names("b")).problems


async def test_file_malformed_from_the_start_is_unread(folder: Path, follower: Follower) -> None:
    put(folder, "a.yaml", "[")
    now = await follower.problem(ModelReason.NOT_YAML)
    assert (now.complete, now.unread) == (True, ("a.yaml#",))
    put(folder, "a.yaml", manifest("a"))
    assert (await follower.names("a")).unread == ()


async def test_file_written_in_place_piece_by_piece_is_taken_when_whole(
    folder: Path, follower: Follower
) -> None:
    put(folder, "a.yaml", manifest("a"))
    await follower.names("a")
    with (folder / "a.yaml").open("w") as file:
        for character in manifest("a", "in pieces"):
            file.write(character)
            file.flush()
    await follower.until(lambda now: now.candidates[0].description == "in pieces")
    assert all([item.name for item in now.candidates] == ["a"] for now in follower.seen[1:])


async def test_missing_directory_is_not_complete_and_is_found_later(
    folder: Path, follower: Follower
) -> None:
    folder.rmdir()
    # It may have been seen empty already, in which case it is complete.
    await follower.problem(SidecarReason.SOURCE_MISSING)
    folder.mkdir()
    put(folder, "a.yaml", manifest("a"))
    assert (await follower.names("a")).complete


async def test_missing_directory_is_not_complete(tmp_path: Path) -> None:
    made = Follower(DirectorySource(tmp_path / "nowhere"))
    async with asyncio.timeout(SECONDS):
        task = asyncio.create_task(made.follow())
        assert not (await made.problem(SidecarReason.SOURCE_MISSING)).complete
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_directory_that_is_moved_away_and_replaced_keeps_everything_meanwhile(
    folder: Path, follower: Follower
) -> None:
    put(folder, "a.yaml", manifest("a"))
    await follower.names("a")
    folder.rename(folder.with_name("away"))
    gone = await follower.problem(SidecarReason.SOURCE_MISSING)
    assert [item.name for item in gone.candidates] == ["a"]
    fresh = folder.with_name("fresh")
    fresh.mkdir()
    put(fresh, "b.yaml", manifest("b"))
    fresh.rename(folder)
    await follower.names("b")
    put(folder, "c.yaml", manifest("c"))
    await follower.names("b", "c")
    shutil.rmtree(folder.with_name("away"))


async def test_config_map_volume_is_followed(folder: Path, follower: Follower) -> None:
    def publish(version: str, **files: str) -> None:
        (folder / version).mkdir()
        for name, text in files.items():
            (folder / version / f"{name}.yaml").write_text(text)
        (folder / "..data_tmp").symlink_to(version)
        (folder / "..data_tmp").replace(folder / "..data")
        for name in files:
            if not (folder / f"{name}.yaml").is_symlink():
                (folder / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")

    publish("..1", a=manifest("a"), b=manifest("b"))
    await follower.names("a", "b")
    publish("..2", a=manifest("a", "new"), b=manifest("b"))
    shutil.rmtree(folder / "..1")
    await follower.until(lambda now: now.candidates[0].description == "new")
    assert all(len(now.candidates) == 2 for now in follower.seen[-2:])


async def test_burst_of_files_is_taken_together(folder: Path, follower: Follower) -> None:
    await follower.names()
    for number in range(500):
        put(folder, f"p{number:03}.yaml", manifest(f"p{number:03}"))
    await follower.until(lambda now: len(now.candidates) == 500)
    assert len(follower.seen) < 100


async def test_change_parses_only_its_file(
    folder: Path, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        put(folder, f"{name}.yaml", manifest(name))
        os.utime(folder / f"{name}.yaml", (1, 1))
    before = await follower.names("a", "b", "c")
    put(folder, "b.yaml", manifest("b", "new"))
    after = await follower.until(lambda now: now.candidates[1].description == "new")
    assert after.candidates[0] is before.candidates[0]
    assert after.candidates[2] is before.candidates[2]


async def test_change_without_an_inotify_event_is_found_by_polling(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf:
        def __init__(self, _: Path) -> None: ...

        def arm(self) -> bool:
            return False

        async def wait(self, seconds: float) -> bool:
            await asyncio.sleep(min(seconds, 0.01))
            return False

        def close(self) -> None: ...

    monkeypatch.setattr("hotpeers.sidecar.sources.directory.FolderWatch", Deaf)
    follower = Follower(DirectorySource(folder))
    task = asyncio.create_task(follower.follow())
    put(folder, "a.yaml", manifest("a"))
    now = await follower.names("a")
    assert [item.reason for item in now.problems] == [SidecarReason.WATCH_UNAVAILABLE]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
