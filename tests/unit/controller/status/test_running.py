"""The account that an orchestrator runs as, and when it is reported."""

from typing import Any, cast

import pytest

from hotpeers.controller.election import LeaderClient
from hotpeers.controller.status.running import Running
from hotpeers.kube.client import Client
from hotpeers.kube.errors import KubeError, NotFoundError, UnreachableError
from hotpeers.spawnpolicy.known import KnownAgent, read_agent
from kit.spawning import declarative, edited, policy

ACCOUNT = "spec.declarative.deployment.serviceAccountName"
BOTH = policy(
    subjects=[{"kind": "Agent", "name": "lead"}, {"kind": "ServiceAccount", "name": "shared"}]
)


class Deployments(LeaderClient):
    """Has one Deployment, whose pods run as an account; or fails."""

    def __init__(self, account: str | None) -> None:
        super().__init__(cast("Client", None), lambda: True)
        self.account = account
        self.failure: KubeError | None = None
        self.asked: list[str] = []

    async def get(self, path: str, params: Any = None) -> Any:
        self.asked.append(path)
        if self.failure is not None:
            raise self.failure
        pod = {} if self.account is None else {"serviceAccountName": self.account}
        return {"spec": {"template": {"spec": pod}}}


def lead(account: str = "") -> KnownAgent:
    manifest = declarative("lead")
    return read_agent(edited(manifest, (ACCOUNT, account)) if account else manifest)


@pytest.mark.parametrize(
    ("says", "runs_as", "told"),
    [
        ("", "lead", ()),
        ("", "shared", ("lead runs as shared",)),
        ("", None, ("lead runs as default",)),
        ("writer", "writer", ()),
        ("writer", "lead", ("lead runs as lead",)),
    ],
)
async def test_account_that_no_subject_names_is_reported(
    says: str, runs_as: str | None, told: tuple[str, ...]
) -> None:
    running = Running(Deployments(runs_as))
    assert await running.strays(policy(), [lead(says)]) == told


async def test_account_that_is_itself_a_subject_is_not_reported() -> None:
    assert await Running(Deployments("shared")).strays(BOTH, [lead()]) == ()


async def test_unreadable_deployment_keeps_its_last_seen_account() -> None:
    client = Deployments("shared")
    running = Running(client, look=0.0)
    for failure, told in (
        (None, ("lead runs as shared",)),
        (UnreachableError("down"), ("lead runs as shared",)),
        (NotFoundError("gone", 404), ()),
        (UnreachableError("down"), ()),
    ):
        client.failure = failure
        assert await running.strays(policy(), [lead()]) == told
    assert client.asked == ["/apis/apps/v1/namespaces/team/deployments/lead"] * 4


async def test_deployment_of_an_agent_that_is_no_subject_is_not_read() -> None:
    client = Deployments("shared")
    assert await Running(client).strays(policy(), [read_agent(declarative("other"))]) == ()
    assert client.asked == []


async def test_deployment_is_read_once_per_interval() -> None:
    client = Deployments("shared")
    running = Running(client)
    for _ in range(3):
        assert await running.strays(policy(), [lead()]) == ("lead runs as shared",)
    assert len(client.asked) == 1
