"""A watched folder: relevant changes are noticed, and irrelevant ones do not wake the reader."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotpeers.sidecar.sources.watch import FolderWatch

SECONDS = 60.0


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[FolderWatch]:
    (tmp_path / "folder").mkdir()
    watch = FolderWatch(tmp_path / "folder")
    yield watch
    watch.close()


async def settle(watch: FolderWatch) -> None:
    assert await watch.wait(SECONDS), "arming counts as a change: nothing is known before"
    await quiet(watch)


async def quiet(watch: FolderWatch) -> None:
    while await watch.wait(0.2):
        pass


async def test_notices_a_rename_and_a_removal(watch: FolderWatch, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "x").write_text("x")
    assert watch.arm()
    await settle(watch)
    (folder / "x").rename(folder / "y")
    assert await watch.wait(SECONDS)
    await quiet(watch)
    (folder / "y").unlink()
    assert await watch.wait(SECONDS)


async def test_missing_folder_cannot_be_watched_until_it_is_there(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path / "later")
    try:
        assert not watch.arm()
        assert not await watch.wait(0.01)
        (tmp_path / "later").mkdir()
        assert watch.arm()
        await settle(watch)
        (tmp_path / "later/x").write_text("x")
        assert await watch.wait(SECONDS)
    finally:
        watch.close()


async def test_replaced_folder_is_followed(watch: FolderWatch, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    assert watch.arm()
    await settle(watch)
    folder.rename(tmp_path / "away")
    assert not watch.arm()
    folder.mkdir()
    assert watch.arm()
    await settle(watch)
    (folder / "x").symlink_to("nowhere")
    assert await watch.wait(SECONDS)
