"""The places where the demonstration puts its peers: a folder of manifests, or a cluster."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Protocol

from hotpeers.base.errors import ConnectionConfigError
from hotpeers.kube.client import Client
from hotpeers.kube.connection import Access, connect
from hotpeers.kube.errors import ConflictError, KubeError, NotFoundError
from hotpeers_demo.orchestrator import NAMESPACE
from hotpeers_demo.outcome import CannotStartError
from hotpeers_shim import contract

_API = "hotpeers.dev/v1alpha1"
_NAMESPACE_PATH = f"/api/v1/namespaces/{NAMESPACE}"
_PEERS_PATH = f"/apis/{_API}/namespaces/{NAMESPACE}/peers"


class Place(Protocol):
    """A place that holds the peers."""

    @property
    def source(self) -> list[str]:
        """The arguments with which `hotpeers run` reads this place."""

    def named(self, name: str) -> str:
        """The name of a peer in messages: a file or an object."""

    async def open(self) -> None:
        """Prepare the place. Raises `CannotStartError`."""

    async def put(self, name: str, url: str, description: str) -> None:
        """Create a peer, or replace the one with this name."""

    async def take(self, name: str) -> None:
        """Remove a peer."""

    async def close(self) -> None:
        """Remove everything that was created."""


class Folder:
    """A folder of manifests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def source(self) -> list[str]:
        """See `Place.source`."""
        return ["--source", "directory", "--peers-dir", str(self.folder)]

    def named(self, name: str) -> str:
        """See `Place.named`."""
        return f"{self.folder.name}/{name}.yaml"

    def manifest(self, name: str) -> Path:
        """The path of a peer's manifest."""
        return self.folder / f"{name}.yaml"

    def spoil(self, name: str, garbage: str) -> None:
        """Overwrite the manifest of a peer in place, to simulate an accident."""
        self.manifest(name).write_text(garbage)

    async def open(self) -> None:
        """See `Place.open`."""
        self.folder.mkdir()

    async def put(self, name: str, url: str, description: str) -> None:
        """See `Place.put`. A rename makes the manifest appear complete."""
        lines = [
            f"apiVersion: {_API}",
            "kind: Peer",
            f"metadata: {{name: {name}, namespace: {NAMESPACE}}}",
            f"spec: {{url: '{url}', description: '{description}'}}",
        ]
        draft = self.folder / f".{name}"
        draft.write_text("\n".join(lines) + "\n")
        draft.replace(self.manifest(name))

    async def take(self, name: str) -> None:
        """See `Place.take`."""
        self.manifest(name).unlink()

    async def close(self) -> None:
        """See `Place.close`. The folder is deleted with the folder of the demonstration."""


class Cluster:
    """The cluster of the current kubeconfig: `Peer` objects with the label of the default selector."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._client: Client
        self._put: set[str] = set()
        self._made_namespace = False

    @property
    def source(self) -> list[str]:
        """See `Place.source`."""
        return ["--source", "kubernetes", "--namespaces", NAMESPACE]

    def named(self, name: str) -> str:
        """See `Place.named`."""
        return f"Peer {NAMESPACE}/{name}"

    async def open(self) -> None:
        """See `Place.open`."""
        access = Access()
        try:
            client = Client(access, await connect(access))
            self._client = await self._stack.enter_async_context(client)
            await self._client.get(f"/apis/{_API}")
            await self._make_namespace()
        except ConnectionConfigError as error:
            raise CannotStartError(
                f"{error}; in a checkout, `make demo-kubernetes` starts its own API server"
            ) from error
        except NotFoundError as error:
            raise CannotStartError(
                "the cluster has no kind Peer; run: kubectl apply -f k8s/crds"
            ) from error
        except KubeError as error:
            raise CannotStartError(
                f"the cluster of the kubeconfig cannot be used: {error}"
            ) from error

    async def _make_namespace(self) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        with suppress(ConflictError):
            await self._client.post("/api/v1/namespaces", body)
            self._made_namespace = True

    async def put(self, name: str, url: str, description: str) -> None:
        """See `Place.put`."""
        spec: dict[str, Any] = {"url": url, "description": description}
        labels = {"hotpeers.dev/peer": "true"}
        body = {
            "apiVersion": _API,
            "kind": "Peer",
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
        }
        try:
            await self._client.post(_PEERS_PATH, body)
        except ConflictError:
            await self._client.patch(f"{_PEERS_PATH}/{name}", {"spec": spec})
        self._put.add(name)

    async def take(self, name: str) -> None:
        """See `Place.take`."""
        await self._client.delete(f"{_PEERS_PATH}/{name}")
        self._put.discard(name)

    async def close(self) -> None:
        """See `Place.close`."""
        async with self._stack:
            for name in list(self._put):
                with suppress(KubeError):
                    await self.take(name)
            if self._made_namespace:
                with suppress(KubeError):
                    await self._client.delete(_NAMESPACE_PATH)


def tool(name: str) -> str:
    """The name of the tool of a peer."""
    return contract.tool_name(NAMESPACE, name)
