"""The process `hotpeers console` with the rights of its manifest, and users with tokens for it."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kit.apiserver.accounts import ServiceAccount, make_account, rule
from kit.apiserver.client import read_yaml
from kit.apiserver.processes import free_ports
from kit.apiserver.server import Cluster
from kit.waiting import until

AUDIENCE = "hotpeers-console"
RBAC = Path(__file__).parents[3] / "k8s" / "rbac" / "console.yaml"
HOME = "hotpeers-system"
READ = [rule("hotpeers.dev", "orchestrators", "list")]


def console_account(cluster: Cluster) -> ServiceAccount:
    """The ServiceAccount of the console, with exactly the rights of its manifest."""
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}})
    for manifest in read_yaml(RBAC):
        cluster.api.apply(manifest)
    return make_account(cluster, HOME, "hotpeers-console")


def token_for(account: ServiceAccount, audience: str = AUDIENCE, seconds: int = 3600) -> str:
    """A token as `kubectl create token --audience` makes it."""
    path = f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}/token"
    wanted = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": seconds},
    }
    return str(account.cluster.api.request("POST", path, wanted)["status"]["token"])


def user(cluster: Cluster, name: str, namespaces: Sequence[str]) -> ServiceAccount:
    """A user who may list Orchestrators in these namespaces; "*" stands for all."""
    account = make_account(cluster, "default", name)
    for namespace in namespaces:
        account.bind(READ, namespace)
    return account


@contextmanager
def running_console(cluster: Cluster, folder: Path, *flags: str) -> Iterator[tuple[str, int]]:
    """Run the console as a process. Yields its URL and its process id."""
    account = console_account(cluster)
    port, health = free_ports(2)
    command = [
        *(sys.executable, "-m", "hotpeers", "console"),
        *("--listen", f"127.0.0.1:{port}", "--health-listen", f"127.0.0.1:{health}"),
        *flags,
    ]
    environ = {**os.environ, "KUBECONFIG": str(account.kubeconfig())}
    log = folder / "console.log"
    with log.open("wb") as out, subprocess.Popen(command, env=environ, stderr=out) as process:

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{health}/readyz"):
                return True
            return False

        try:
            until("the console to be ready", ready, 60)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
