"""One style for the errors of all commands: one line `error: …` on standard error, and exit code 2."""

import errno
import os
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner, Result

from hotpeers.cli.main import cli

NOWHERE = ("--kubeconfig", "/nowhere/kubeconfig")
GARBAGE = ("--kubeconfig", __file__)
UNSIGNED = ("--key-secret", "a/b")

WRONG: dict[str, list[tuple[str, ...]]] = {
    "check": [NOWHERE, GARBAGE, ("-o", "xml"), ("-n", "../x")],
    "completion": [(), ("tcsh",)],
    "console": [
        ("--listen", "none"),
        ("--listen", "x"),
        ("--audience", "a b"),
        ("--public-url", "console.example"),
        ("--allowed-hosts", "https://a"),
        ("--log-level", "loud"),
        NOWHERE,
    ],
    "controller": [(), ("--image", "i", "--listen", "x"), ("--image", "i", *NOWHERE)],
    "demo": [("--runtime", "x"), ("--agent-python", "/nowhere/python")],
    "explain": [("NoSuchReason",)],
    "history": [
        NOWHERE,
        GARBAGE,
        ("--since", "yesterday"),
        ("--url", "http://127.0.0.1:9"),
        ("-A", "-n", "x"),
        ("-o", "wide"),
    ],
    "hub": [(), ("--key-secret", "x"), (*UNSIGNED, *NOWHERE), (*UNSIGNED, *GARBAGE)],
    "inject": [(), ("-f", "/nowhere"), ("-f", "/nowhere", "--image", "i"), ("-n", "A b")],
    "mcp": [(), ("--tools", "x"), ("--tools", "peers"), ("--listen", "x")],
    "policy": [],
    "policy check": [(), ("-f", "/nowhere", "--as", "a/b"), ("-f", __file__, "--as", "x")],
    "policy explain": [(), ("-f", "/nowhere")],
    "run": [(), ("--peers-dir", "/nowhere", "--listen", "x"), ("--source", "x")],
    "shim": [],
    "shim path": [("more",)],
    "shim install": [(), ("/proc/nowhere",)],
    "status": [
        NOWHERE,
        GARBAGE,
        ("--url", "http://127.0.0.1:9"),
        ("--url", "file:///etc/passwd"),
        ("--url", "http://127.0.0.1:9", "-A"),
        ("--context", "nowhere", *NOWHERE),
        ("A_B",),
        ("a/b", "-n", "c"),
        ("../../x/b",),
        ("-n", "../x"),
        ("-o", "xml"),
    ],
    "validate": [()],
}
"""Wrong arguments of each command. An unknown option is tried with all of them."""


def commands(command: click.Command = cli, path: str = "") -> Iterator[str]:
    """The names of all commands and groups."""
    if path:
        yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, f"{path} {name}".strip())


CASES = [
    (name, arguments)
    for name, cases in WRONG.items()
    for arguments in (*cases, ("--no-such-option",))
]


def run(name: str, *arguments: str) -> Result:
    return CliRunner(env={"KUBECONFIG": None}).invoke(cli, [*name.split(), *arguments])


def test_every_command_is_tried() -> None:
    assert set(commands()) == WRONG.keys()


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=lambda one: " ".join(one) or "-")
def test_wrong_input_is_one_line_and_exit_code_2(name: str, arguments: tuple[str, ...]) -> None:
    done = run(name, *arguments)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    # Programs that start log before they fail.
    (line,) = [one for one in done.stderr.splitlines() if " INFO " not in one]
    assert line.startswith("error: "), line
    assert not line.removeprefix("error: ")[:1].isupper() or line.startswith("error: HOTPEERS"), (
        line
    )
    assert len(line) < 400
    assert line.isprintable()


def test_usage_error_names_the_help_of_its_command() -> None:
    done = run("status", "--urll", "x")
    assert done.stderr == (
        "error: no such option '--urll'; did you mean '--url'? See 'cli status --help'\n"
    )


@pytest.mark.parametrize("name", ["", "policy", "shim"])
def test_group_without_a_command_prints_its_help_as_an_error(name: str) -> None:
    done = run(name)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: " in done.stderr


def test_defect_has_a_traceback_and_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise KeyError("x")

    monkeypatch.setattr("hotpeers.sidecar.shim.install.bootstrap_folder", broken)
    done = run("shim path")
    assert done.exit_code == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: KeyError: 'x'; this is a defect")


def test_interrupt_has_the_exit_code_of_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("hotpeers.sidecar.shim.install.bootstrap_folder", interrupted)
    assert run("shim path").exit_code == 130


def test_full_disk_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("hotpeers.sidecar.shim.install.bootstrap_folder", full)
    done = run("shim path")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


def test_closed_standard_input_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SystemExit) as done:
        cli(["inject", "-f", "-", "--image", "i"])
    assert done.value.code == 2
    assert capsys.readouterr().err == "error: -: standard input is closed\n"
