"""An agent that reads its configuration only at its start, and a stand-in for the kubelet of its pod.

The agent is a process that listens on a port, and the probe is the injected program. Only what kubelet
does with them is a stand-in: it runs the probe, sends SIGTERM after a failure, and starts a container
that has ended again, with a delay.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from hotpeers.inject.restartprobe.program import PROGRAM, SIGN

PROBE_SECONDS, BACKOFF_SECONDS = 0.2, 1.0

_AGENT = """
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

config = json.loads((Path(sys.argv[1]) / "config.json").read_text())
if config["model"] == "bad":
    sys.exit("this model is unknown")

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        time.sleep(float(self.rfile.read(int(self.headers["Content-Length"]))))
        body = json.dumps(config).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""


class RestartedAgent:
    """The agent's container.

    `starts` counts its processes, `probes` the runs of the probe, and `kills` the failures of it.
    """

    def __init__(self, folder: Path, restart: Path, port: int) -> None:
        self.starts = self.probes = self.kills = 0
        self.url = f"http://127.0.0.1:{port}/"
        self._command = [sys.executable, "-c", _AGENT, str(folder), str(port)]
        self._probe = [str(restart / PROGRAM), str(restart / SIGN)]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def turn(self, seconds: float = 0.0) -> Any:
        """One turn that takes `seconds`; the configuration with which it was answered."""
        request = Request(self.url, str(seconds).encode())
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def _run(self) -> None:
        while not self._end.is_set():
            self.starts += 1
            process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
            killed = False
            while process.poll() is None and not self._end.wait(PROBE_SECONDS):
                self.probes += 1
                if subprocess.run(self._probe, check=False).returncode:
                    killed = True
                    self.kills += 1
                    process.terminate()
                    process.wait()
            process.kill()
            process.wait()
            if not killed:
                self._end.wait(BACKOFF_SECONDS)

    def start(self) -> None:
        """Start the container."""
        self._thread.start()

    def stop(self) -> None:
        """Stop it for good."""
        self._end.set()
        self._thread.join(30)


@contextmanager
def restarted_agent(folder: Path, restart: Path, port: int) -> Iterator[RestartedAgent]:
    """A container that runs while the context is open."""
    made = RestartedAgent(folder, restart, port)
    made.start()
    try:
        yield made
    finally:
        made.stop()
