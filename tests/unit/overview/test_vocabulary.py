"""Whoever explains a status knows every word that it may have."""

import subprocess
import sys

CODE = """
from hotpeers.cli.status_text import _what_to_do
from hotpeers.overview.summary import RatedProblem, Severity

words = ("NotYaml", "TooDeep", "RolloutStuck", "PeerUnreachable", "CardUnavailable", "Odd")
for line in _what_to_do([RatedProblem(Severity.ERROR, "", word, "") for word in words]):
    print(line)
"""


def test_command_line_knows_the_words_of_every_program_by_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=False
    )
    *known, odd = done.stdout.strip().splitlines()[1:]
    assert all("See: hotpeers explain" in line for line in known)
    assert (len(known), odd, done.stderr) == (5, "Odd:", "")
