"""The real `hotpeers run --source kubernetes` as a process, with its status and metrics."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from kit.apiserver.processes import Process, free_ports
from kit.waiting import until

SECONDS = 60.0
LABELS = {"hotpeers.dev/peer": "true"}
"""What the sidecar selects."""
NOWHERE = "http://127.0.0.1:9"
"""The URL of the peers: nothing listens there, and one card is asked for however many they are."""


def run_arguments(kubeconfig: Path, namespace: str, file: Path, listen: str) -> list[str]:
    """Return the arguments after `hotpeers`."""
    return [
        "run",
        "--source=kubernetes",
        f"--kubeconfig={kubeconfig}",
        f"--namespaces={namespace}",
        f"--orchestrator={namespace}/orchestrator",
        f"--peer-file={file}",
        f"--listen={listen}",
    ]


class Sidecar:
    """One sidecar, which can be killed and started again on the same peer file.

    `environment` is set for it alone. `python` is the interpreter of another version of it.
    """

    def __init__(
        self,
        folder: Path,
        kubeconfig: Path,
        namespace: str,
        *,
        file: Path | None = None,
        environment: dict[str, str] | None = None,
        python: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.namespace = namespace
        self.file = file or folder / "run" / "peers.json"
        (self._port,) = free_ports(1)
        arguments = run_arguments(kubeconfig, namespace, self.file, f"127.0.0.1:{self._port}")
        setting = [f"{name}={value}" for name, value in (environment or {}).items()]
        command = ["/usr/bin/env", *setting] if setting else []
        self.process = Process(
            [*command, python or sys.executable, "-m", "hotpeers", *arguments], folder / "log"
        )

    def start(self) -> None:
        """Start it and wait until it has a complete list."""
        self.process.start()
        until("the sidecar to be ready", self._ready, SECONDS)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, if it runs."""
        self.process.stop(how)

    def status(self) -> dict[str, Any]:
        """Return its status document."""
        return dict(json.loads(self._get("/status")))

    def scope(self, kind: str) -> dict[str, Any]:
        """Return the state of the scope of one kind."""
        scopes = self.status()["source"]["scopes"]
        return next(dict(scope) for scope in scopes if scope["kind"] == kind)

    def reasons(self) -> set[str]:
        """Return the reasons of the current problems."""
        return {problem["reason"] for problem in self.status()["problems"]}

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric; 0 where there is none."""
        inner = ",".join(f'{label}="{value}"' for label, value in labels.items())
        title = re.escape(f"{name}{{{inner}}}" if inner else name)
        found = re.search(rf"^{title} (\S+)$", self._get("/metrics").decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def _ready(self) -> bool:
        self.process.check()
        try:
            return self._get("/readyz")
        except OSError:
            return False

    def _get(self, path: str) -> bytes:
        with urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=30) as response:
            return bytes(response.read())
