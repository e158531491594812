"""What is reported about statuses that cannot be written."""

from __future__ import annotations

from typing import Any, cast

from hotpeers.controller.election import LeaderClient
from hotpeers.controller.status.policies import PolicyStatuses
from hotpeers.kube.client import Client
from hotpeers.kube.errors import UnreachableError
from hotpeers.spawnpolicy.known import KnownPolicy, read_known_policy
from kit.spawning import SPEC, document


class Losing(LeaderClient):
    """Applies each patch, and loses the answer."""

    def __init__(self) -> None:
        super().__init__(cast("Client", None), lambda: True)
        self.status: dict[str, Any] = {}

    async def patch(self, path: str, body: Any, **more: Any) -> Any:
        self.status |= body["status"]
        raise UnreachableError("the connection broke")


class Governing:
    def holds(self, accounts: object) -> bool:
        return True


class Unlimited:
    def problems(self) -> tuple[()]:
        return ()


def known(status: dict[str, Any]) -> KnownPolicy:
    spec = {**SPEC, "subjects": [{"kind": "ServiceAccount", "name": "lead"}]}
    return read_known_policy({**document(spec), "status": status})


async def test_problem_ends_if_the_status_was_written_all_the_same() -> None:
    client = Losing()
    statuses = PolicyStatuses(
        client, cast("Any", None), cast("Any", Governing()), cast("Any", Unlimited())
    )
    await statuses._write(known({}), (), {})
    assert len(statuses.problems()) == 1
    await statuses._write(known(client.status), (), {})
    assert statuses.problems() == ()
