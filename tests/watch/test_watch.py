"""Both kinds of watch notice what matters, and wake nobody without a reason."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hotpeers.watch import Watch, watch_folder
from hotpeers.watch.portable import PortableWatch

SECONDS = 10.0
KINDS = [
    pytest.param(watch_folder, id="native"),
    pytest.param(PortableWatch, id="portable"),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_notices_a_rename_and_a_removal(
    kind: Callable[[Path], Watch], tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("x")
    watch = kind(tmp_path)
    try:
        assert watch.arm()
        assert await watch.wait(SECONDS), "arming counts as a change: nothing is known before"
        while await watch.wait(0.2):
            pass
        (tmp_path / "x").rename(tmp_path / "y")
        assert await watch.wait(SECONDS)
        while await watch.wait(0.2):
            pass
        (tmp_path / "y").unlink()
        assert await watch.wait(SECONDS)
    finally:
        watch.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_missing_folder_cannot_be_watched_until_it_is_there(
    kind: Callable[[Path], Watch], tmp_path: Path
) -> None:
    watch = kind(tmp_path / "later")
    try:
        assert not watch.arm()
        assert not await watch.wait(0.01)
        (tmp_path / "later").mkdir()
        assert watch.arm()
    finally:
        watch.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
async def test_half_written_file_is_no_change_yet(tmp_path: Path) -> None:
    watch = watch_folder(tmp_path)
    try:
        watch.arm()
        await watch.wait(SECONDS)
        with (tmp_path / "x").open("w") as file:
            file.write("half")
            file.flush()
            assert not await watch.wait(0.1)
        assert await watch.wait(SECONDS)
    finally:
        watch.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
async def test_replaced_folder_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    watch = watch_folder(folder)
    try:
        watch.arm()
        await watch.wait(SECONDS)
        folder.rename(tmp_path / "away")
        assert await watch.wait(SECONDS)
        assert not watch.arm()
        folder.mkdir()
        assert watch.arm()
        await watch.wait(SECONDS)
        (folder / "x").symlink_to("nowhere")
        assert await watch.wait(SECONDS)
    finally:
        watch.close()
