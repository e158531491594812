"""`hotpeers status` and `hotpeers history` of one sidecar, as a shell runs them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hotpeers.cli.main import cli
from hotpeers.sidecar.status.document import Status
from kit.orchestrators import change
from kit.waiting import until

SECONDS = 30.0
PEER = {"tool": "a[bold]", "name": "a", "ready": True, "url": "http://a", "source": "a.yaml#Peer/a"}
GOOD = Status("directory /peers", "/run/peers.json").document() | {
    "generation": 3,
    "ackedGeneration": 3,
    "source": {"name": "directory /peers", "complete": True},
    "peers": [PEER],
    "acks": [{"pid": 7, "state": "active", "generation": 3, "reason": "", "message": ""}],
    "changes": [change(3, liveSeconds=0.1)],
}
REFUSED = {"name": "b", "reason": "UrlMissing", "message": "none\x1b[31m \u202eb", "source": "b"}
BAD = GOOD | {
    "refused": [REFUSED],
    "acks": [
        {
            "pid": 7,
            "state": "refused",
            "generation": 3,
            "reason": "NotJson",
            "message": "cut",
            "refusals": [{"subject": "c", "reason": "ToolNameTaken", "message": "kept"}],
        }
    ],
}


class Answering:
    """An HTTP server that answers everything with `answer`."""

    def __init__(self) -> None:
        answering = self
        self.answer: bytes = b""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answering.answer)

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def say(self, document: Any) -> None:
        """Answer with this document from now on."""
        self.answer = json.dumps(document).encode()


@pytest.fixture
def answering() -> Iterator[Answering]:
    made = Answering()
    with made.server as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_status_shows_peers_refusals_and_acks(answering: Answering) -> None:
    answering.say(BAD)
    done = invoke("status", "--url", answering.url)
    assert done.exit_code == 1, done.exception
    for part in ("a[bold]", "UrlMissing", "NotJson", "ToolNameTaken", "generation 3"):
        assert part in done.stdout


def test_lines_for_a_pipe_are_whole_and_plain(answering: Answering) -> None:
    answering.say(GOOD | {"refused": [REFUSED | {"message": "word " * 100}]})
    done = CliRunner(env={"FORCE_COLOR": "1", "COLUMNS": "40"}).invoke(
        cli, ["status", "--url", answering.url]
    )
    assert "word " * 99 in done.stdout
    assert "\x1b" not in done.stdout


def test_status_of_a_sound_sidecar_ends_with_0(answering: Answering) -> None:
    answering.say(GOOD)
    assert invoke("status", "--url", answering.url).exit_code == 0


def test_sidecar_without_a_report_of_an_agent_is_not_sound(answering: Answering) -> None:
    answering.say(GOOD | {"acks": [], "ackedGeneration": None})
    assert invoke("status", "--url", answering.url).exit_code == 1


def test_documents_of_a_sidecar_have_clean_texts(answering: Answering) -> None:
    answering.say(BAD)
    for output in ("json", "yaml"):
        done = invoke("status", "--url", answering.url, "-o", output)
        assert done.exit_code == 1
        assert "none b" in done.stdout
        assert not {"\x1b", "\u202e"} & set(done.stdout)
    short = invoke("status", "--url", answering.url, "--json").stdout
    assert json.loads(short)["peers"] == GOOD["peers"]


@pytest.mark.parametrize(
    "answer", [b"hello", b"[]", b"{}", b'{"peers": 1, "acks": []}', b"[" * 99999]
)
def test_foreign_server_is_a_clear_error(answering: Answering, answer: bytes) -> None:
    answering.answer = answer
    done = invoke("status", "--url", answering.url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {answering.url}/status: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("value", [None, 1, "x", [1, "x", None], [{}], {"a": 1}])
def test_other_shapes_of_a_status_are_no_error(answering: Answering, value: Any) -> None:
    for field in GOOD.keys() - {"peers", "refused", "problems", "acks"}:
        answering.say(GOOD | {field: value})
        assert invoke("status", "--url", answering.url).exit_code in (0, 1)
    if isinstance(value, list):
        for field in ("peers", "refused", "problems", "acks"):
            answering.say(BAD | {field: value})
            assert invoke("status", "--url", answering.url).exit_code in (0, 1)


def test_history_of_a_sidecar(answering: Answering) -> None:
    answering.say(GOOD)
    assert invoke("history", "--url", answering.url).stdout.splitlines() == [
        "TIME                  POD    LIVE  CHANGE",
        "2026-11-29T13:59:00Z  pod-1  0.1s  +team/weather",
    ]
    (one,) = json.loads(invoke("history", "--url", answering.url, "-o", "json").stdout)["changes"]
    assert (one["added"], one["liveSeconds"], one["generation"]) == (["team/weather"], 0.1, 3)


def test_older_sidecar_has_no_history(answering: Answering) -> None:
    answering.say({key: value for key, value in GOOD.items() if key != "changes"})
    done = invoke("history", "--url", answering.url)
    assert done.exit_code == 2
    assert "older release" in done.stderr


class Watching:
    """A `hotpeers` command that runs until a signal, with its output in a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.file = folder / "out"
        with self.file.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hotpeers", *arguments], stdout=out, stderr=out
            )

    def wait_for(self, text: str) -> None:
        until(f"{text!r} in the output", lambda: text in self.file.read_text(), SECONDS)

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(SECONDS)


def test_watch_prints_a_line_for_each_change(answering: Answering, tmp_path: Path) -> None:
    answering.say(GOOD)
    watching = Watching(tmp_path, "status", "--url", answering.url, "--watch")
    try:
        watching.wait_for("1 orchestrator in the sidecar at")
        answering.say(BAD)
        watching.wait_for("sidecar: problem: UrlMissing b: none b")
        answering.answer = b"broken"
        watching.wait_for("warning: cannot be followed now: ")
        answering.say(GOOD)
        watching.wait_for("warning: followed again")
        watching.wait_for("sidecar: now: ok")
    finally:
        code = watching.end()
    assert code == 0
    assert "Traceback" not in watching.file.read_text()


def test_history_watch_prints_each_change_and_when_it_is_live(
    answering: Answering, tmp_path: Path
) -> None:
    answering.say(GOOD)
    watching = Watching(tmp_path, "history", "--url", answering.url, "--watch")
    try:
        watching.wait_for("+team/weather (live after 0.1s)")
        answering.say(GOOD | {"changes": [*GOOD["changes"], change(4, added=["team/news"])]})
        watching.wait_for("pod-1: +team/news\n")
        live = change(4, added=["team/news"], liveSeconds=1.26)
        answering.say(GOOD | {"changes": [*GOOD["changes"], live]})
        watching.wait_for("live after 1.3s: +team/news")
    finally:
        code = watching.end(signal.SIGTERM)
    assert code == 0


def test_watch_on_a_terminal_leaves_the_last_view(answering: Answering) -> None:
    answering.say(BAD)
    reading, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hotpeers", "status", "--url", answering.url, "--watch"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "60", "LINES": "12", "NO_COLOR": "1"},
    )
    os.close(terminal)
    seen = b""
    ends = time.monotonic() + SECONDS
    try:
        while b"Ctrl-C ends" not in seen and time.monotonic() < ends:
            seen += os.read(reading, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        seen += os.read(reading, 65536)
    finally:
        process.kill()
        os.close(reading)
    screen, _, after = seen.partition(b"\x1b[?1049l")
    assert b"\x1b[?1049h" in screen
    assert b"with problems" in after
    assert b"NotJson" in after
    assert b"\x1b[3" not in seen.replace(b"\x1b[3J", b"")


def test_reader_that_goes_away_is_no_error(answering: Answering) -> None:
    answering.say(GOOD | {"peers": [PEER] * 20_000})
    command = f"{sys.executable} -m hotpeers status --url {answering.url} | head -1"
    done = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    first, code = done.stdout.splitlines()
    assert "generation 3" in first
    assert code in ("0", "141")
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", ["explain", "--help", "completion bash"])
def test_output_that_nobody_reads_has_the_exit_code_of_sigpipe(arguments: str) -> None:
    command = f"{sys.executable} -m hotpeers {arguments}"
    script = f"(sleep 0.1; {command}; echo $? >&2) | exec true"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert (done.stdout, done.stderr) == ("", "141\n")


def test_without_arguments_the_sidecar_of_this_machine_is_tried_first(tmp_path: Path) -> None:
    environment = {**os.environ, "KUBECONFIG": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, "-m", "hotpeers", "status"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no sidecar answers at http://127.0.0.1:8090, and the ")
    assert "there is no such file" in done.stderr
