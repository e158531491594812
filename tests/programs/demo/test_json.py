"""`hotpeers demo --json` prints one JSON document on standard output, and nothing else."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "hotpeers", "demo", "--json", "--agent-python"]


def test_failed_start_is_json() -> None:
    # This interpreter has no kagent-adk.
    done = subprocess.run(
        [*COMMAND, sys.executable], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert found["held"] is False
    assert "lacks kagent-adk" in found["error"]
    assert "lacks kagent-adk" in done.stderr


def test_interrupted_run_is_json(tmp_path: Path) -> None:
    # An interpreter that claims to have all packages, and then starts nothing.
    python = tmp_path / "python"
    versions = '{"kagent-adk": "0.10.4", "google-adk": "1.39.1", "a2a-sdk": "0.3.26"}'
    python.write_text(
        f"#!/bin/sh\ncase \"$1\" in -c) echo '{versions}';; *) exec sleep 60;; esac\n"
    )
    python.chmod(0o755)
    progress = tmp_path / "progress"
    with progress.open("wb") as err:
        run = subprocess.Popen([*COMMAND, str(python)], stdout=subprocess.PIPE, stderr=err)
        try:
            deadline = time.monotonic() + 60
            while "starting an unmodified" not in progress.read_text():
                assert run.poll() is None, progress.read_text()
                assert time.monotonic() < deadline, "the demonstration does not begin"
                time.sleep(0.05)
            run.send_signal(signal.SIGINT)
            out, _ = run.communicate(timeout=60)
        finally:
            run.kill()
            run.wait()
    assert run.returncode == 130
    assert json.loads(out) == {"held": False, "error": "interrupted"}
