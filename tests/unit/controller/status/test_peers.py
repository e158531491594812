"""The writer of the statuses of Peers."""

from __future__ import annotations

from typing import Any

import pytest

from hotpeers.base.names import NamespacedName
from hotpeers.controller.status.offers import PeerObject
from hotpeers.controller.status.peers import PeerStatuses
from hotpeers.kube.errors import KubeError


class Server:
    """Refuses to change the Peer `a`."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.written: list[str] = []

    async def patch(self, path: str, body: Any) -> None:
        name = path.split("/")[-2]
        if name == "a":
            raise KubeError("refused", self.status)
        self.written.append(name)


@pytest.mark.parametrize(("status", "written"), [(422, ["b"]), (403, ["b"]), (500, [])])
async def test_peer_that_cannot_be_written_does_not_hide_the_others(
    status: int, written: list[str]
) -> None:
    server = Server(status)
    one = PeerStatuses(server, server)  # type: ignore[arg-type]
    changes = [(PeerObject(NamespacedName("ns", name)), {"offeredTo": "1"}) for name in "ab"]
    problem = await one._write(changes)
    assert server.written == written
    assert problem is not None
    assert problem.where == "Peer/ns/a"
