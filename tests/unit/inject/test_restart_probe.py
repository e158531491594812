"""The program that the agent's liveness probe runs, run for real."""

import concurrent.futures
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from hotpeers.inject.restartprobe.program import (
    PROGRAM,
    SIGN,
    SIGN_SECONDS,
    install_program,
    is_known,
    make_program,
)

SOURCES = Path(__file__).parents[3] / "sidecar/hotpeers/inject/restartprobe"
MACHINES = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}

pytestmark = pytest.mark.skipif(not is_known(), reason="no program for this machine")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    install_program(tmp_path)
    return tmp_path / PROGRAM


def run(*command: Path | str) -> int:
    return subprocess.run(list(map(str, command)), env={}, timeout=30, check=False).returncode


def test_probe_fails_once_for_each_sign(program: Path) -> None:
    sign = program.with_name(SIGN)
    assert run(program, sign) == 0
    for _ in range(2):
        sign.touch()
        assert run(program, sign) == 1
        assert not sign.exists()
        assert run(program, sign) == 0


@pytest.mark.parametrize("age", [SIGN_SECONDS + 2, -SIGN_SECONDS - 2, 3600, 2**31])
def test_sign_that_is_not_renewed_is_ignored(program: Path, age: float) -> None:
    sign = program.with_name(SIGN)
    sign.touch()
    os.utime(sign, (0, time.time() - age))
    assert run(program, sign) == 0
    assert sign.exists()


def test_failure_says_why(program: Path) -> None:
    sign = program.with_name(SIGN)
    command = [str(program), str(sign)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b""
    sign.touch()
    found = subprocess.run(command, capture_output=True, check=False)
    assert found.returncode == 1
    assert found.stdout.startswith(b"hotpeers restarts the agent, which is idle: ")
    sign.touch()
    closed = subprocess.run(["sh", "-c", f"{program} {sign} >&-"], check=False)
    assert closed.returncode == 1


def test_program_is_installed_in_place_of_anything_else(tmp_path: Path) -> None:
    place = tmp_path / PROGRAM
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"untouched")
    os.mkfifo(place)
    install_program(tmp_path)
    place.unlink()
    place.symlink_to(elsewhere)
    install_program(tmp_path)
    place.chmod(0)
    install_program(tmp_path)
    assert (place.read_bytes(), place.is_symlink()) == (make_program(), False)
    assert elsewhere.read_bytes() == b"untouched"
    before = place.stat()
    install_program(tmp_path)
    assert place.stat() == before
    assert run(place) == 0


def test_one_sign_fails_one_of_many_probes(program: Path) -> None:
    sign = program.with_name(SIGN)
    sign.touch()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: run(program, sign), range(32)))
    assert sorted(codes) == [0] * 31 + [1]


def test_probe_succeeds_when_it_cannot_remove_anything(program: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    for place in (folder, tmp_path / "missing" / SIGN, "", "x" * 5000):
        assert run(program, place) == 0
    assert run(program) == 0
    assert (folder / "below").exists()


@pytest.mark.parametrize("machine", MACHINES)
def test_bytes_are_those_of_the_source(machine: str, tmp_path: Path) -> None:
    prefix = "" if machine == platform.machine() else f"{MACHINES[machine]}-"
    assembler, copy = shutil.which(f"{prefix}as"), shutil.which(f"{prefix}objcopy")
    if not (assembler and copy):
        pytest.skip(f"no assembler for {machine}")
    made, code = tmp_path / "o", tmp_path / "code"
    subprocess.run([assembler, "-o", made, SOURCES / f"{machine}.S"], check=True, timeout=30)
    subprocess.run([copy, "-O", "binary", "-j", ".text", made, code], check=True, timeout=30)
    assert make_program(machine)[64 + 2 * 56 :] == code.read_bytes()


@pytest.mark.parametrize("machine", MACHINES)
def test_program_runs_on_the_other_architecture(machine: str, tmp_path: Path) -> None:
    emulator = shutil.which(f"qemu-{machine}-static") or shutil.which(f"qemu-{machine}")
    if not emulator:
        pytest.skip(f"no emulator of {machine}")
    program, sign = tmp_path / "program", tmp_path / SIGN
    program.write_bytes(make_program(machine))
    program.chmod(0o755)
    sign.touch()
    found = subprocess.run([emulator, program, sign], capture_output=True, check=False)
    assert found.returncode == 1
    assert found.stdout.startswith(b"hotpeers restarts the agent")
    assert not sign.exists()
    assert run(emulator, program, sign) == 0
    assert run(emulator, program) == 0
    for age in (SIGN_SECONDS + 2, -SIGN_SECONDS - 2):
        sign.touch()
        os.utime(sign, (0, time.time() - age))
        assert run(emulator, program, sign) == 0
        assert sign.exists()
