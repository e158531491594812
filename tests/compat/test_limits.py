"""Replies that are too large: the agent's memory and the model's input stay bounded, the turn goes on."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from harness import peer
from rawkit import DONE, SUBMITTED, WAYS, artifact, text

from hotpeers_shim import live

HUGE = 150_000_000
MAX_GROWTH_KIB = 40 * 1024
FULL = [artifact("a", [{"fill": HUGE}]), DONE]
DEEP = '{"jsonrpc": "2.0", "id": "1", "result": {"kind": "message", "messageId": "m", "role": "agent", '
DEEP += '"parts": [{"kind": "data", "data": {"a": ' + "[" * 200_000 + "]" * 200_000 + "}}]}}"

SCRIPTS = {
    "warm-up": {"do": [{"message": text("warm")}]},
    "json": {"do": FULL, "reply": {"json": 1}},
    "gzip": {"do": FULL, "reply": {"json": 1, "gzip": 1}},
    "line": {"do": FULL},
    "gzip-line": {"do": FULL, "reply": {"gzip": 1}},
    "message": {"do": [{"message": [{"fill": HUGE}]}]},
    "unbroken": {"do": [{"repeat": 0, "do": [{"raw": "x" * 5000}]}]},
    "endless": {
        "do": [
            SUBMITTED,
            {"repeat": 0, "do": [artifact("a", text("y" * 5000), append=True, fold=False)]},
        ]
    },
    "comments": {"do": [SUBMITTED, {"repeat": 0, "do": [{"comment": "z" * 5000}]}]},
}
"""Replies that must be refused for their size, but for the first."""
STATUSES = [{"status": "working", "say": text("w" * 2000)}]
OTHERS = {
    "long": {
        "do": [
            SUBMITTED,
            artifact("a", text("The beginning.")),
            {"repeat": 70, "do": [artifact("a", [{"fill": 100_000}], append=True)]},
            artifact("a", text("The end."), append=True),
            DONE,
        ]
    },
    "chatty": {
        "do": [SUBMITTED, {"repeat": 3000, "do": STATUSES}, artifact("a", text("Yes.")), DONE]
    },
    "file": {
        "do": [artifact("a", [{"bytes": "QUJD" * 700_000, "type": "x/y", "name": "big.bin"}]), DONE]
    },
    "deep": {"do": [], "reply": {"body": DEEP}},
    "page": {
        "do": [],
        "reply": {"body": "<p>" + "p" * 3_000_000, "status": 502, "type": "text/html"},
    },
}
"""Others that are large, and that are read as far as there is sense in it."""


@pytest.fixture
def measured(raw, runtime):
    """Ask for each script, in an agent of its own; what was read and measured, by script."""

    def ask(way, scripts):
        raw.config()
        raw.scripts({**scripts, "warm-up": SCRIPTS["warm-up"]})
        asked = [name for name in scripts if name != "warm-up"]
        one = json.dumps(peer("weather", raw, interfaces=[raw.way(*way)], timeout=60))
        program = str(Path(__file__).with_name("greedy_agent.py"))
        done = subprocess.run(
            [sys.executable, program, runtime, one, *asked],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert [line["text"] for line in lines] == asked
        return {line["text"]: line for line in lines}

    return ask


def check(line):
    """The memory and the model's input are bounded, and the turn went on."""
    most = live.get().settings.max_reply_characters
    assert line["grown"] <= MAX_GROWTH_KIB, line["text"]
    assert line["given"] <= 1.1 * most + 5000, line["text"]
    assert line["last"] == "end"
    assert line["seconds"] < 30, line["text"]


@pytest.mark.parametrize("way", [WAYS[0], WAYS[-1]], ids="-".join)
def test_reply_that_is_too_large_ends_the_call_and_costs_no_memory(measured, raw, way):
    found = measured(way, SCRIPTS)
    for name, line in found.items():
        check(line)
        assert re.search(r"larger than|too large", line["result"]), name
        assert "MAX_" in line["result"], "which setting it was"
    (endless,) = raw.log(text="endless")[-1:]
    assert endless["call"] == "stream"


def test_large_reply_within_the_limits_is_cut_in_the_middle(measured):
    found = measured(WAYS[0], OTHERS)
    for line in found.values():
        check(line)
    long = found["long"]["result"]
    assert long.startswith("The beginning.xxx")
    assert long.endswith("xxx" + "The end.")
    gone = int(re.search(r"([\d,]{7,}) char", long)[1].replace(",", ""))
    note = len(re.search(r"\n\[.*\]\n", long)[0])
    assert gone + len(long) - note == 7_000_000 + len("The beginning.The end.")
    assert found["chatty"]["result"] == "Yes."
    assert "big.bin" in found["file"]["result"]
    assert "QUJD" not in found["file"]["result"]
    assert "could not" in found["deep"]["result"] or "no answer" in found["deep"]["result"]
    assert "502" in found["page"]["result"]
