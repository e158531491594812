"""Acks: which are read, which are reported, and which are skipped."""

import asyncio
import os
import time
from contextlib import aclosing
from pathlib import Path

from hotpeers.sidecar.acks.reader import SILENT_SECONDS, AckReader, Acks
from hotpeers_shim.contract import Ack, AckState, Nack, Refusal, dump_ack


def put(folder: Path, pid: int, **fields: object) -> Path:
    ack = Ack(pid=pid, **{"state": AckState.ACTIVE, "time": time.time(), **fields})  # type: ignore[arg-type]
    path = folder / f"ack-{pid}.json"
    path.write_bytes(dump_ack(ack))
    return path


def test_missing_folder_gives_no_acks(tmp_path: Path) -> None:
    acks = AckReader(tmp_path / "nowhere").read()
    assert acks == Acks()
    assert (acks.generation, acks.largest) == (None, 0)


def test_generation_is_the_lowest_of_all_processes(tmp_path: Path) -> None:
    put(tmp_path, 1, generation=7)
    put(tmp_path, 2, generation=5)
    acks = AckReader(tmp_path).read()
    assert (acks.generation, acks.largest) == (5, 7)
    put(tmp_path, 3, generation=None, state=AckState.REFUSED, reason="NotJson")
    acks = AckReader(tmp_path).read()
    assert acks.generation == 0
    assert [ack.pid for ack in acks.refusing] == [3]


def test_process_that_is_silent_for_long_is_gone(tmp_path: Path) -> None:
    old = put(tmp_path, 1, generation=1)
    put(tmp_path, 2, generation=5, time=1.0)
    then = time.time() - SILENT_SECONDS - 5
    os.utime(old, (then, then))
    assert [ack.pid for ack in AckReader(tmp_path).read().acks] == [2]


def test_reader_skips_foreign_and_broken_files(tmp_path: Path) -> None:
    (tmp_path / "ack-1.json").write_bytes(b"\xff")
    (tmp_path / "ack-2.json").write_bytes(b"[" * 50_000)
    (tmp_path / "ack-3.json").mkdir()
    (tmp_path / "ack-x.json").write_text("{}")
    (tmp_path / "ack-5.json.tmp").write_text("{}")
    (tmp_path / "ack-6.json").symlink_to("nowhere")
    os.mkfifo(tmp_path / "ack-7.json")
    put(tmp_path, 4, generation=1)
    acks = AckReader(tmp_path).read()
    assert [ack.pid for ack in acks.acks] == [4]
    assert {problem.where: problem.reason for problem in acks.problems} == {
        "ack-1.json": Nack.NOT_UTF8,
        "ack-2.json": Nack.NOT_JSON,
        "ack-7.json": Nack.FILE_EMPTY,
    }


def test_unbelievable_generation_is_not_continued(tmp_path: Path) -> None:
    put(tmp_path, 1, generation=2**63 - 1)
    put(tmp_path, 2, generation=3)
    assert AckReader(tmp_path).read().largest == 3


def test_text_of_an_agent_is_cleaned(tmp_path: Path) -> None:
    put(
        tmp_path,
        1,
        reason="Not\nJson",
        message="a\x1b[2Jb",
        refusals=(Refusal("a\nb", "c\nd", "e\nf"),),
        runtime={"a\nb": "c\nd"},
    )
    (ack,) = AckReader(tmp_path).read().acks
    assert "\n" not in repr(ack).replace("\\n", "\n")
    assert "\x1b" not in ack.message


async def test_new_ack_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "acks"
    async with asyncio.timeout(10), aclosing(AckReader(folder).changes()) as changes:
        assert await anext(changes) == Acks()
        folder.mkdir()
        path = put(folder, 1, generation=1)
        assert (await anext(changes)).generation == 1
        put(folder, 1, generation=2)
        assert (await anext(changes)).generation == 2
        path.unlink()
        assert await anext(changes) == Acks()
