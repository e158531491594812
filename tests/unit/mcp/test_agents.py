"""Deletion of a spawned agent: exactly the object that was read, not a later one of its name."""

from typing import Any

from hotpeers.kube.client import Client
from hotpeers.mcp.agents import Agents, path_of


class One(Client):
    """An API server with one Agent."""

    def __init__(self) -> None:
        self.deleted: list[tuple[str, str]] = []

    async def get(self, path: str, params: Any = None) -> Any:
        annotations = {"hotpeers.dev/spawned-by": "team/lead"}
        metadata = {"name": "a", "namespace": "team", "uid": "seen", "annotations": annotations}
        return {"metadata": metadata}

    async def delete(self, path: str, uid: str = "", version: str = "") -> Any:
        self.deleted.append((path, uid))


async def test_deletion_names_the_uid_of_the_agent_that_was_read() -> None:
    client = One()
    await Agents(client, "team/lead").delete("team", "a")
    assert client.deleted == [(path_of("team", "a"), "seen")]
