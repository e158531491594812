"""Without the console, nothing of it is loaded."""

import subprocess
import sys

PROGRAMS = (
    "hotpeers.cli.main",
    "hotpeers.sidecar.runner",
    "hotpeers.controller.runner",
    "hotpeers.mcp.hub.hub",
    "hotpeers.mcp.server",
    "hotpeers.check.command",
)


def test_other_programs_load_neither_the_console_nor_jinja2() -> None:
    code = (
        f"import sys, {', '.join(PROGRAMS)}; found = [one for one in sys.modules if one == 'jinja2' "
        "or one.startswith('hotpeers.console')]; sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_console_knows_the_words_of_every_program_by_itself() -> None:
    code = (
        "import hotpeers.console.app; from hotpeers.page.explanation import explanation_of; "
        "print(all(explanation_of(word).sentence for word in ('CardUnavailable', 'PeerUnreachable', "
        "'KeyMissing', 'ToolNotAllowed', 'ConfigRefused', 'Forbidden', 'TokenSecretTaken')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "True\n", done.stderr
