"""A controller as its Deployment runs it: its settings and account, as a process on this machine."""

from __future__ import annotations

import json
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Object
from kit.apiserver.processes import Process, free_ports
from kit.apiserver.server import Cluster

_ANY = ssl._create_unverified_context()
_PLACE, _NAME = "hotpeers-system", "hotpeers-controller"


class Deployed:
    """One replica with the environment of the Deployment in the cluster, which has no nodes itself.

    `python` is the interpreter of the version that it runs.
    """

    def __init__(self, cluster: Cluster, identity: str, python: Path | None = None) -> None:
        name = {"name": _NAME, "namespace": _PLACE}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": name}
        template = cluster.api.read(deployment)["spec"]["template"]["spec"]
        (container,) = template["containers"]
        fields = {"metadata.namespace": _PLACE, "metadata.name": identity}
        environment = {
            one["name"]: one.get("value") or fields[one["valueFrom"]["fieldRef"]["fieldPath"]]
            for one in container["env"]
        }
        account = ServiceAccount(cluster, _PLACE, template["serviceAccountName"])
        account.renew()
        self.identity = identity
        self.port, self._health = free_ports(2)
        environment |= {
            "KUBECONFIG": str(account.kubeconfig()),
            "HOTPEERS_LISTEN": f"127.0.0.1:{self.port}",
            "HOTPEERS_HEALTH_LISTEN": f"127.0.0.1:{self._health}",
        }
        if python is None:
            environment["PYTHONPATH"] = ":".join(path for path in sys.path if path)
        pairs = [f"{name}={value}" for name, value in environment.items()]
        program = [str(python or sys.executable), "-m", "hotpeers", *container["args"]]
        log = cluster.folder / f"{identity}.log"
        self.process = Process(["/usr/bin/env", *pairs, *program], log, identity)

    def is_ready(self) -> bool:
        """Whether it would get requests."""
        return self._get("/readyz") is not None

    def status(self) -> dict[str, Any]:
        """Its status document; empty if it does not answer."""
        return dict(json.loads(self._get("/status") or b"{}"))

    def leads(self) -> bool:
        """Whether it leads."""
        return bool(self.status().get("leading"))

    def injects(self, pod: Object) -> bool:
        """Whether it answers the API server's request about this pod with a patch."""
        namespace = pod["metadata"]["namespace"]
        asked = {"uid": "1", "kind": {"kind": "Pod"}, "namespace": namespace, "object": pod}
        url = f"https://127.0.0.1:{self.port}/inject"
        review = json.dumps({"request": {**asked, "dryRun": True}}).encode()
        with suppress(OSError), urlopen(Request(url, review), timeout=2, context=_ANY) as answer:
            return "patch" in json.loads(answer.read())["response"]
        return False

    def _get(self, path: str) -> bytes | None:
        url = f"http://127.0.0.1:{self._health}{path}"
        with suppress(OSError), urlopen(url, timeout=5) as answer:
            return bytes(answer.read())
        return None
