"""A hub on a real API server, with an account that has the rights of k8s/rbac/hub.yaml."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import yaml

from hotpeers.hook import wait_for_bridge
from hotpeers.mcp.hub.hub import Hub, serve_hub
from hotpeers.mcp.hub.settings import HubSettings
from hotpeers.model.hub_token import make_token
from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api, Object
from kit.apiserver.rbac import FOLDER
from kit.apiserver.resources import orchestrator
from kit.apiserver.server import Cluster
from kit.supervised import free_port
from kit.waiting import until_async

LABELS = {"hotpeers.dev/peer": "true"}


@dataclass
class HubPlace:
    """A namespace with the hub's account and key."""

    api: Api
    namespace: str
    kubeconfig: Path
    folder: Path
    key: bytes

    @property
    def secret(self) -> str:
        return f"{self.namespace}-hub-key"

    def settings(self, **changed: str) -> HubSettings:
        raw = {
            "listen": "127.0.0.1:0",
            "health_listen": "127.0.0.1:0",
            "selector": "hotpeers.dev/peer=true",
            "key_secret": f"{self.namespace}/{self.secret}",
            "wait_seconds": "10",
            "credentials": "",
            "state_dir": str(self.folder),
            "user_headers_to": "",
            "kagent_gateway": "",
            "kubeconfig": str(self.kubeconfig),
            "context": "",
        }
        replica = changed.pop("replica", "hub-1")
        return HubSettings.parse({"HOSTNAME": replica}, **{**raw, **changed})

    def token(self, one: Object, version: int = 1) -> str:
        """The token of an Orchestrator that was created."""
        return make_token(self.key, one["metadata"]["uid"], version)

    def orchestrator(self, name: str = "lead", namespace: str = "", **spec: object) -> Object:
        return self.api.create(orchestrator(namespace or self.namespace, name, **spec))


def make_place(cluster: Cluster, account: ServiceAccount, folder: Path) -> HubPlace:
    """Bind the rights to the account, and create the Secret with a key."""
    namespace = account.namespace
    text = (FOLDER / "hub.yaml").read_text()
    text = text.replace("hotpeers-system", namespace).replace("hotpeers-hub", f"{namespace}-hub")
    key = os.urandom(32)
    for manifest in yaml.safe_load_all(text):
        if manifest["kind"] == "ServiceAccount":
            continue
        if manifest["kind"] == "Secret":
            entry = base64.b64encode(key.hex().encode()).decode()
            manifest["data"] = {"key": entry}
        for subject in manifest.get("subjects", ()):
            subject["name"] = account.name
        cluster.api.apply(manifest)
    return HubPlace(cluster.api, namespace, account.kubeconfig(), folder, key)


@asynccontextmanager
async def running_hub(place: HubPlace, **changed: str) -> AsyncIterator[Hub]:
    """A hub in this process, ready to serve."""
    async with serve_hub(place.settings(**changed)) as hub:
        await until_async("the hub to be ready", lambda: hub.tenants.ready)
        yield hub


@dataclass
class Replica:
    """A hub in a process of its own."""

    process: subprocess.Popen[bytes]
    port: int
    health: str


@contextmanager
def hub_process(place: HubPlace, name: str) -> Iterator[Replica]:
    """A replica of the hub that is ready."""
    folder = place.folder / name
    folder.mkdir()
    port, health = free_port(), free_port()
    command = [sys.executable, "-m", "hotpeers", "hub", "--wait-seconds", "10"]
    command += ["--listen", f"127.0.0.1:{port}", "--health-listen", f"127.0.0.1:{health}"]
    command += ["--key-secret", f"{place.namespace}/{place.secret}", "--state-dir", str(folder)]
    command += ["--kubeconfig", str(place.kubeconfig)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, env={**os.environ, "HOSTNAME": name})
    try:
        url = f"http://127.0.0.1:{health}"
        wait_for_bridge(f"{url}/readyz", seconds=60.0)
        yield Replica(process, port, url)
    finally:
        process.kill()
        process.wait()


async def wait_for_peer(replica: Replica) -> None:
    """Wait until the replica offers one peer to an orchestrator."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(60):
        while True:
            async with http.get(f"{replica.health}/metrics") as response:
                if re.search(r"hotpeers_hub_peers\{.*\} 1\.0", await response.text()):
                    return
            await asyncio.sleep(0.05)
