"""The state of a sidecar, from which it makes its report."""

from __future__ import annotations

from typing import Any

from hotpeers.sidecar.acks.reader import Acks
from hotpeers.sidecar.status.document import Status
from hotpeers_shim.contract import Ack, AckState, Peer


def peer(name: str, *, ready: bool = True) -> Peer:
    return Peer(
        name=name,
        url="http://x",
        toolName=f"ns__NS__{name}",
        namespace="ns",
        ready=ready,
        source=f"Peer/ns/{name}",
    )


def ack(generation: int | None = 7, **fields: Any) -> Ack:
    fields = {"pid": 1, "state": AckState.ACTIVE, **fields}
    return Ack(generation=generation, **fields)


def status(*acks: Ack, **fields: Any) -> Status:
    fields = {"ready": True, "generation": 7, "peers": (peer("a"),), **fields}
    return Status(source="s", peer_file="f", acks=Acks(acks), **fields)
