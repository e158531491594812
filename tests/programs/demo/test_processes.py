import os
import signal
import subprocess
import sys

import pytest

from hotpeers_demo.outcome import CannotStartError
from hotpeers_demo.processes import Processes, WaitedTooLongError, start_time, until
from hotpeers_demo.stage import base_env, shim_path

SERVE = "import json, time\nprint(json.dumps({'url': 'http://x'}), flush=True)\ntime.sleep(600)"
STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SERVE}"


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
async def processes(tmp_path):
    all_of_them = Processes(tmp_path / "logs")
    yield all_of_them
    await all_of_them.close()


async def test_a_server_is_ready_when_it_prints_its_address(processes):
    child = processes.start("server", [sys.executable, "-c", SERVE], env=os.environ)
    assert await child.ready_url() == "http://x"
    assert child.alive
    assert child.started == start_time(child.pid)


async def test_failed_start_reports_the_output_of_the_process(processes):
    command = [sys.executable, "-c", "raise SystemExit('no such luck')"]
    child = processes.start("server", command, env=os.environ)
    with pytest.raises(CannotStartError, match="server ended with 1: no such luck"):
        await child.ready_url()


async def test_a_program_that_is_not_there_is_named(processes):
    with pytest.raises(CannotStartError, match="/no/such/program cannot be started"):
        processes.start("server", ["/no/such/program"], env=os.environ)


async def test_a_wait_is_bounded():
    async def never():
        return None

    with pytest.raises(WaitedTooLongError, match=r"a miracle: not within 0\.05 s"):
        await until("a miracle", never, 0.05)


@pytest.mark.parametrize("program", [SERVE, STUBBORN])
async def test_every_process_is_ended(tmp_path, program):
    processes = Processes(tmp_path)
    # The child of a child is in the same group, and ends with it.
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {program!r}])\n"
        "child.wait()"
    )
    child = processes.start("parent", [sys.executable, "-c", parent], env=os.environ)
    await child.ready_url()
    await processes.close()
    assert not child.alive

    async def group_gone():
        try:
            os.killpg(child.pid, 0)
        except ProcessLookupError:
            return True
        return None

    await until("the group to be gone", group_gone, 60)


async def test_a_killed_process_leaves_no_child_of_its_own(processes, tmp_path):
    """A demonstration that is killed with SIGKILL takes its processes along."""
    if sys.platform != "linux":
        pytest.skip("needs Linux's parent death signal")
    parent = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from hotpeers_demo.processes import Processes\n"
        "processes = Processes(Path(sys.argv[1]))\n"
        f"child = processes.start('inner', [sys.executable, '-c', {SERVE!r}], env=os.environ)\n"
        'print(\'{"url": "%d"}\' % child.pid, flush=True)\n'
        "time.sleep(600)"
    )
    command = [sys.executable, "-c", parent, str(tmp_path / "inner")]
    child = processes.start("outer", command, env=os.environ)
    inner = int(await child.ready_url())
    assert not gone(inner)
    os.kill(child.pid, signal.SIGKILL)

    async def inner_gone():
        return True if gone(inner) else None

    await until("the inner process to end", inner_gone, 60)


def test_the_environment_of_a_child_holds_no_settings_of_hotpeers():
    env = base_env({"HOTPEERS_SOURCE": "x", "HOTPEERS_DISABLE": "1", "PATH": "/bin"})
    assert env == {"HOTPEERS_DISABLE": "1", "PATH": "/bin"}


def test_a_proxy_is_not_asked_for_this_machine():
    env = base_env({"https_proxy": "http://p", "NO_PROXY": "a"})
    assert env["NO_PROXY"] == "a,127.0.0.1,localhost"
    assert env["no_proxy"] == "127.0.0.1,localhost"


def test_demo_uses_the_path_that_shim_path_prints():
    command = [sys.executable, "-m", "hotpeers", "shim", "path"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert str(shim_path()) == printed.strip()
    assert (shim_path() / "sitecustomize.py").is_file()
