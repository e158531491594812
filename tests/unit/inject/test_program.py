"""The program that reads PYTHONPATH in a container of the agent's image, run for real."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from hotpeers.inject import imagepath
from hotpeers.inject.imagepath.program import PROGRAM, install_program, is_known, make_program

SOURCES = Path(__file__).parents[3] / "sidecar/hotpeers/inject/imagepath"
MACHINES = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}

pytestmark = pytest.mark.skipif(not is_known(), reason="no program for this machine")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    install_program(tmp_path / "shim")
    return tmp_path / "shim" / PROGRAM


def run(program: Path, *arguments: Path, **environment: str) -> int:
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, env=environment, timeout=10, check=False).returncode


@pytest.mark.parametrize("value", ["/app", "", ":/app:/app/src", "/ä b/$(x)", "x" * 100_000])
def test_pythonpath_is_written_unchanged(program: Path, tmp_path: Path, value: str) -> None:
    assert run(program, tmp_path / "out", A="1", PYTHONPATH=value, PYTHONPATHS="no") == 0
    assert (tmp_path / "out").read_text() == value
    assert (tmp_path / "out").stat().st_mode & 0o444 == 0o444


@pytest.mark.parametrize("environment", [{}, {"PYTHONPAT": "a"}, {"XPYTHONPATH": "a"}])
def test_no_file_is_written_without_a_pythonpath(
    program: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert run(program, tmp_path / "out", **environment) == 0
    assert not (tmp_path / "out").exists()


def test_earlier_longer_value_is_replaced(program: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("/longer/than/that")
    assert run(program, tmp_path / "out", PYTHONPATH="/app") == 0
    assert (tmp_path / "out").read_text() == "/app"


def test_program_succeeds_when_it_cannot_write(program: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for place in (tmp_path / "missing" / "out", tmp_path, tmp_path / "link"):
        assert run(program, place, PYTHONPATH="/app") == 0
    assert run(program, PYTHONPATH="/app") == 0
    assert not (tmp_path / "elsewhere").exists()


def test_installed_program_is_replaced_only_when_damaged(program: Path) -> None:
    before = program.stat()
    install_program(program.parent)
    assert (program.stat().st_ino, program.stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )
    program.write_bytes(b"damaged")
    install_program(program.parent)
    assert program.read_bytes() == make_program()
    assert os.access(program, os.X_OK)
    assert [path.name for path in program.parent.iterdir()] == [PROGRAM]


@pytest.mark.parametrize("machine", MACHINES)
def test_bytes_are_those_of_the_source(machine: str, tmp_path: Path) -> None:
    assert Path(imagepath.__file__).with_name("program.py").exists()
    prefix = "" if machine == platform.machine() else f"{MACHINES[machine]}-"
    assembler, copy = shutil.which(f"{prefix}as"), shutil.which(f"{prefix}objcopy")
    if not (assembler and copy):
        pytest.skip(f"no assembler for {machine}")
    made, code = tmp_path / "o", tmp_path / "code"
    subprocess.run([assembler, "-o", made, SOURCES / f"{machine}.S"], check=True, timeout=30)
    subprocess.run([copy, "-O", "binary", "-j", ".text", made, code], check=True, timeout=30)
    assert make_program(machine).endswith(code.read_bytes())
    assert len(make_program(machine)) == 64 + 2 * 56 + len(code.read_bytes())


@pytest.mark.parametrize("machine", MACHINES)
def test_program_runs_on_the_other_architecture(machine: str, tmp_path: Path) -> None:
    emulator = shutil.which(f"qemu-{machine}-static") or shutil.which(f"qemu-{machine}")
    if not emulator:
        pytest.skip(f"no emulator of {machine}")
    program, out = tmp_path / "program", tmp_path / "out"
    program.write_bytes(make_program(machine))
    program.chmod(0o755)
    environment = {"A": "b", "PYTHONPATH": "/app:/src"}
    command = [emulator, str(program), str(out)]
    assert subprocess.run(command, env=environment, timeout=30, check=False).returncode == 0
    assert out.read_text() == "/app:/src"
    out.unlink()
    assert subprocess.run(command, env={"A": "b"}, timeout=30, check=False).returncode == 0
    assert not out.exists()
