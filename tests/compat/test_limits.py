"""Oversized replies: the agent's memory and the model's input stay bounded, the turn continues."""

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
"""Replies that must be refused for their size."""
FINITE = ["json", "gzip", "line", "message"]
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
    """Measurements of a separate agent: each reply streamed; finite ones also as a whole."""
    raw.config()
    raw.scripts({**SCRIPTS, **OTHERS, "warm-up": {"do": [{"message": text("warm")}]}})
    listed = [
        peer("streamed", raw, interfaces=[raw.way(*WAYS[0])], timeout=60),
        peer("whole", raw, interfaces=[raw.way(*WAYS[-1], streaming=False)], timeout=60),
    ]
    asked = [f"streamed:{name}" for name in [*SCRIPTS, *OTHERS]]
    asked += [f"whole:{name}" for name in (*FINITE, *OTHERS)]
    program = str(Path(__file__).with_name("greedy_agent.py"))
    done = subprocess.run(
        [sys.executable, program, runtime, json.dumps(listed), *asked],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [line["asked"] for line in lines] == asked
    return {line["asked"]: line for line in lines}


def test_replies_of_any_size_cost_little_memory_and_are_explained(measured, raw):
    most = live.get().settings.max_reply_characters
    for name, line in measured.items():
        assert line["grown"] <= MAX_GROWTH_KIB, name
        assert line["given"] <= 1.1 * most + 5000, name
        assert line["last"] == "end"
        assert line["seconds"] < 30, name
        if name.partition(":")[2] in SCRIPTS:
            assert re.search(r"larger than|too large", line["result"]), name
            assert "MAX_" in line["result"], "which setting it was"
    # The task of an endless stream is not left to go on.
    calls = [(entry["text"], entry["call"]) for entry in raw.log()]
    assert ("endless", "stream") in calls
    assert ("", "cancel") in calls
    for way in ("streamed", "whole"):
        check_within(way, {name: measured[f"{way}:{name}"]["result"] for name in OTHERS})


def check_within(way, read):
    """Checks the text that the model reads of replies within the limits and of broken ones."""
    assert read["long"].startswith("The beginning.xxx")
    assert read["long"].endswith("xxxThe end.")
    gone = int(re.search(r"([\d,]{7,}) char", read["long"])[1].replace(",", ""))
    note = len(re.search(r"\n\[.*\]\n", read["long"])[0])
    assert gone + len(read["long"]) - note == 7_000_000 + len("The beginning.The end.")
    assert read["chatty"] == "Yes."
    assert "big.bin" in read["file"]
    assert "QUJD" not in read["file"]
    assert "gave no answer" in read["deep"], way
    assert "502" in read["page"]
