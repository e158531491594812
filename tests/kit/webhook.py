"""The real `hotpeers controller` for a real API server, with a certificate from a folder."""

from __future__ import annotations

import base64
import copy
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from kit.apiserver.certificates import Authority
from kit.apiserver.client import Object, read_yaml
from kit.apiserver.processes import Process, free_ports
from kit.apiserver.server import Cluster
from kit.waiting import until

INSTALL = Path(__file__).parents[2] / "k8s" / "install.yaml"
SECONDS = 60.0
_NO_ACCOUNTS = "--disable-admission-plugins=ServiceAccount"


def cluster_with_accounts(binaries: Path) -> Cluster:
    """A cluster that gives pods the token of their ServiceAccount, as any real one does."""
    cluster = Cluster(binaries)
    cluster.server.command = [one for one in cluster.server.command if one != _NO_ACCOUNTS]
    return cluster


class Controller:
    """One controller and the webhook configuration that leads to it."""

    def __init__(self, folder: Path, cluster: Cluster, *flags: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.certificates = folder / "certificates"
        self.authority = Authority(folder)
        self.issue("first")
        self.port, self.health_port = free_ports(2)
        self.log = folder / "log"
        self.process = Process(
            [
                *(sys.executable, "-m", "hotpeers", "controller"),
                f"--listen=127.0.0.1:{self.port}",
                f"--health-listen=127.0.0.1:{self.health_port}",
                f"--certificate-dir={self.certificates}",
                f"--kubeconfig={cluster.kubeconfig}",
                *("--webhook-configuration=none", "--bind-readers=false", "--image=hotpeers:1"),
                *flags,
            ],
            self.log,
        )

    def issue(self, name: str) -> None:
        """Put another certificate into the folder, as the node does for a Secret."""
        parent = self.certificates.parent
        fresh = parent / f"certificates-{name}"
        fresh.mkdir()
        certificate, key = self.authority.server(name)
        (fresh / "tls.crt").write_bytes(certificate.read_bytes())
        (fresh / "tls.key").write_bytes(key.read_bytes())
        link = parent / "new"
        link.symlink_to(fresh)
        link.replace(self.certificates)

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.process.start()
        until("the controller to be ready", self.is_ready, SECONDS)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, if it runs."""
        self.process.stop(how)

    def is_ready(self) -> bool:
        """Whether it says so; it must run."""
        self.process.check()
        return self.readiness() == 200

    def readiness(self) -> int:
        """The status of /readyz; 0 where nothing answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.health_port}/readyz", timeout=30) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except OSError:
            return 0

    def metric(self, name: str, **labels: str) -> float:
        """A metric, summed over those that have these labels."""
        with urlopen(f"http://127.0.0.1:{self.health_port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        found = re.findall(rf"^{name}(?:\{{(.*?)\}})? (\S+)$", text, re.MULTILINE)
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(value) for inner, value in found if all(one in inner for one in wanted))

    def document(self, path: str) -> Object:
        """The JSON answer of its health server at a path."""
        with urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=30) as answer:
            found: Object = json.loads(answer.read())
        return found

    def configuration(
        self, name: str = "hotpeers-injector", kind: str = "MutatingWebhookConfiguration"
    ) -> Object:
        """One of the chart's own webhook configurations, led to this process."""
        (found,) = (
            one
            for one in read_yaml(INSTALL)
            if (one["kind"], one["metadata"]["name"]) == (kind, name)
        )
        bundle = base64.b64encode(self.authority.file.read_bytes()).decode()
        for webhook in found["webhooks"]:
            url = f"https://127.0.0.1:{self.port}{webhook['clientConfig']['service']['path']}"
            webhook["clientConfig"] = {"url": url, "caBundle": bundle}
            # This tests the decision, not its speed on a busy machine.
            webhook["timeoutSeconds"] = 15
        return found


def pod(namespace: str, name: str, *, asked: bool = True, **spec: Any) -> Object:
    """A pod that meets PodSecurity's `restricted`; fields of `spec` go to its only container."""
    container = {
        "name": "kagent",
        "image": "ghcr.io/kagent-dev/kagent/app:0.10.4",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **spec,
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": "kagent", "kagent": name},
            "annotations": {"hotpeers.dev/inject": "true"} if asked else {},
        },
        "spec": {
            "serviceAccountName": "agent",
            "securityContext": security,
            "containers": [copy.deepcopy(container)],
        },
    }


def containers(found: Object) -> dict[str, Object]:
    """All containers of a pod by their names."""
    spec = found["spec"]
    return {one["name"]: one for one in [*spec.get("initContainers", []), *spec["containers"]]}


def injected(found: Object) -> bool:
    """Whether all of an injection is there."""
    return "hotpeers" in containers(found)


def variables(container: Object) -> dict[str, str]:
    """The environment of a container."""
    return {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}
