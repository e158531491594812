"""The servers of the agents on this machine: a scripted model, and kagent's controller API."""

from __future__ import annotations

import sys
from pathlib import Path

from e2e.talk import ModelLog
from kit.apiserver.client import Object
from kit.apiserver.processes import Process
from kit.node import addresses
from kit.waiting import until

_SERVERS = Path(__file__).with_name("servers.py")
_MODEL_PORT, _CONTROLLER_PORT = 8081, 8083
MODEL_URL = f"http://{addresses.HOST}:{_MODEL_PORT}"
_SECONDS = 30.0


class Servers:
    """The two servers on this machine."""

    def __init__(self, folder: Path) -> None:
        self._processes = [
            Process(
                [sys.executable, _SERVERS, which, addresses.HOST, str(port)],
                folder / f"{which}.log",
                which,
            )
            for which, port in (("model", _MODEL_PORT), ("controller", _CONTROLLER_PORT))
        ]

    def start(self) -> None:
        for process in self._processes:
            process.start()
        log = ModelLog(MODEL_URL)

        def answers() -> bool:
            for process in self._processes:
                process.check()
            try:
                log.skip()
            except OSError:
                return False
            return True

        until("the scripted model", answers, _SECONDS)

    def close(self) -> None:
        for process in self._processes:
            process.stop()


def controller_objects() -> list[Object]:
    """The Service by which agents find kagent's controller; it leads to this machine."""
    place = {"name": "kagent-controller", "namespace": "kagent"}
    ports = [{"name": "http", "port": _CONTROLLER_PORT, "protocol": "TCP"}]
    slice_place = {**place, "labels": {"kubernetes.io/service-name": place["name"]}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kagent"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": place, "spec": {"ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": slice_place,
            "addressType": "IPv4",
            "endpoints": [{"addresses": [addresses.HOST]}],
            "ports": ports,
        },
    ]
