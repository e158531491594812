"""Shared by the tests of counts. As a program: a replica that prints the slot it took and hangs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hotpeers.controller.quota.ledgers import ledger_name
from hotpeers.controller.quota.reservations import Reservations
from hotpeers.kube.client import Client
from hotpeers.spawnpolicy.decision import Decision, Denial
from hotpeers.spawnpolicy.reasons import PolicyReason
from hotpeers.spawnpolicy.request import Usage
from kit.apiserver.client import Object
from kit.apiserver.resources import agent
from kit.controller.scene import client_of

POLICY = "team/policy"
LEASE = "hotpeers-controller"
Decide = Callable[[Mapping[str, Usage]], Decision]


def under(limit: int, count: int = 10_000, window: float = 3600.0, policy: str = POLICY) -> Decide:
    """Decides as the guard does, by the limits alone."""

    def decide(usage: Mapping[str, Usage]) -> Decision:
        used = usage.get(policy, Usage())
        start = datetime.now(UTC) - timedelta(seconds=window)
        if used.alive >= limit:
            reason = PolicyReason.TOO_MANY_AGENTS
        elif sum(one > start for one in used.created) >= count:
            reason = PolicyReason.TOO_MANY_CREATES
        else:
            return Decision(allowed=True, policy=policy)
        denial = Denial(reason, "spec", "too many")
        return Decision(allowed=False, policy=policy, denials=(denial,))

    return decide


def spawned(namespace: str, name: str, policy: str = POLICY) -> Object:
    """An Agent with the stamps that are looked at here."""
    manifest = agent(namespace, name, labels={"hotpeers.dev/spawned": "true"})
    manifest["metadata"]["annotations"] = {
        "hotpeers.dev/policy": policy,
        "hotpeers.dev/depth": "1",
        "hotpeers.dev/spawned-by-serviceaccount": f"{policy.partition('/')[0]}/lead",
        "hotpeers.dev/spawned-by-uid": "uid-of-lead",
    }
    return manifest


def ledger_path(namespace: str, policy: str = POLICY) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/{ledger_name(policy)}"


class Mute(Client):
    """A client that reports the first successful write, and never returns from it."""

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        await super().put(path, body)
        print("written", flush=True)
        await asyncio.Event().wait()


async def main(kubeconfig: str, namespace: str, agent_name: str) -> None:
    async with client_of(Path(kubeconfig), Mute) as client:
        await Reservations(client, namespace, LEASE).admit([POLICY], agent_name, under(1))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
