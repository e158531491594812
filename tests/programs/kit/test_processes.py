"""Processes of the tests end with them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kit.apiserver.processes import Process
from kit.waiting import until

TESTS = Path(__file__).parents[2]
PARENT = """
import sys, time
from pathlib import Path
from kit.apiserver.processes import Process
from concurrent.futures import ThreadPoolExecutor
child = Process(["/bin/sleep", "60"], Path(sys.argv[1]))
# Started by a thread that ends: the child must outlive it, and not us.
with ThreadPoolExecutor(1) as pool:
    pool.submit(child.start).result()
time.sleep(0.2)
print(child.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    try:
        # In a container without a reaper, an ended orphan stays in the process table.
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_child_outlives_the_thread_and_not_the_process_that_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, tmp_path / "log"]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()
    assert until("the child to end", lambda: gone(child), 60)


def test_stop_ends_the_whole_group_by_force_if_need_be(tmp_path: Path) -> None:
    script = "trap '' TERM; /bin/sleep 60 & echo $!; wait; wait"
    process = Process(["/bin/sh", "-c", script], tmp_path / "log")
    process.start()
    shown = until("the id of its child", lambda: process.log.read_text().strip(), 60)
    process.stop(signal.SIGKILL)
    assert process.pid is None
    assert until("the group to end", lambda: gone(int(shown)), 60)


def test_exited_program_reports_its_last_output(tmp_path: Path) -> None:
    process = Process(["/bin/sh", "-c", "echo the port is taken; exit 3"], tmp_path / "log")
    process.start()
    until("the program to end", lambda: process.pid is None, 60)
    with pytest.raises(RuntimeError, match="the port is taken"):
        process.check()
