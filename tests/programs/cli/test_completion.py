"""Completion in a real bash, and as kubectl asks for it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hotpeers.cli.completion import kubectl_completions
from hotpeers.cli.main import cli

BIN = Path(sys.executable).parent


def completed(*words: str) -> list[str]:
    """What bash completes for the words; the last one is begun."""
    script = (
        'source <(hotpeers completion bash); shopt -s extglob; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_hotpeers_completion hotpeers "${COMP_WORDS[COMP_CWORD]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"PATH": f"{BIN}:/usr/bin:/bin"},
    )
    # Outside of an interactive line, bash has no completion options to set.
    assert done.stderr.replace("bash: line 1: ", "").strip() in {
        "",
        "compopt: not currently executing completion function",
    }
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("hotpeers", "st"), ["status"]),
        (("hotpeers", "policy", "e"), ["explain"]),
        (("hotpeers", "status", "--all"), ["--all-namespaces"]),
        (("hotpeers", "status", "-o", ""), ["table", "wide", "json", "yaml"]),
        (("hotpeers", "run", "--source", ""), ["directory", "kubernetes"]),
        (("hotpeers", "completion", "f"), ["fish"]),
    ],
)
def test_bash_completes(words: tuple[str, ...], expected: list[str]) -> None:
    assert completed(*words) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_each_shell_is_valid(shell: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0
    assert "_HOTPEERS_COMPLETE" in done.stdout
    if program := shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(done.stdout)
        subprocess.run([program, "-n", str(script)], check=True, timeout=30)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["st"], ["status\tShow the state of orchestrators, those...", ":4"]),
        (["status", "-o", "w"], ["wide", ":4"]),
        (["status", "--output=j"], ["--output=json", ":4"]),
        (["inject", "-f", ""], [":0"]),
        (["run", "--peers-dir", ""], [":16"]),
        (["nothing", ""], None),
        ([], None),
    ],
)
def test_kubectl_gets_completions_and_a_directive(
    words: list[str], expected: list[str] | None
) -> None:
    lines = list(kubectl_completions(cli, words))
    assert lines == (expected or lines)
    assert lines[-1] in {":0", ":4", ":16"}
