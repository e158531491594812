"""The real `hotpeers controller` as a process, with its health, metrics and log."""

from __future__ import annotations

import json
import re
import signal
import ssl
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from kit.apiserver.processes import Process, free_ports
from kit.waiting import until

SECONDS = 60.0


class Controller:
    """One replica, which can be killed, frozen and started again."""

    def __init__(self, folder: Path, kubeconfig: Path, namespace: str, **flags: str) -> None:
        folder.mkdir(parents=True)
        self.name = folder.name
        self.port, self._health = free_ports(2)
        given = {
            "listen": f"127.0.0.1:{self.port}",
            "health-listen": f"127.0.0.1:{self._health}",
            "kubeconfig": str(kubeconfig),
            "namespace": namespace,
            "identity": folder.name,
            "image": "registry.example/hotpeers:1",
            "drain-seconds": "0",
            "guard-configuration": "none",
            **{name.replace("_", "-"): value for name, value in flags.items()},
        }
        arguments = [f"--{name}={value}" for name, value in given.items()]
        self.log = folder / "log"
        self.process = Process(
            [sys.executable, "-m", "hotpeers", "controller", *arguments], self.log
        )

    def start(self) -> None:
        """Start it, or let it go on."""
        self.process.start()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, if it runs."""
        self.process.signal(signal.SIGCONT)
        self.process.stop(how)

    def until_ready(self) -> None:
        """Wait until it serves."""
        until(f"{self.name} to be ready", lambda: self.answer("/readyz")[0] == 200, SECONDS)

    def answer(self, path: str) -> tuple[int, str]:
        """Status and body of its health server; status 0 if it does not answer."""
        self.process.check()
        try:
            with urlopen(f"http://127.0.0.1:{self._health}{path}", timeout=30) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def status(self) -> dict[str, Any]:
        """Its status document; nothing where it does not answer."""
        _, body = self.answer("/status")
        return dict(json.loads(body)) if body else {}

    def leads(self) -> bool:
        """Whether it says that it leads."""
        return bool(self.status().get("leading"))

    def metric(self, name: str) -> float:
        """One of its metrics."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.answer("/metrics")[1], re.MULTILINE)
        assert found is not None, name
        return float(found[1])

    def certificate(self) -> str:
        """The certificate that a new connection gets, as PEM."""
        return ssl.get_server_certificate(("127.0.0.1", self.port))
