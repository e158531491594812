"""The status of a sidecar as one immutable document. No decision depends on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hotpeers_shim.contract import Ack, CallFailure, Peer, dump_config_ack

from ... import __version__
from ...base.problems import Problem
from ...base.reasons import sentence_of
from ...base.scope import ScopeStatus
from ...model.orchestrator_status import Change
from ..acks.configuration import config_problems
from ..acks.failures import failing_calls
from ..acks.reader import Acks
from ..acks.turns import Activity
from ..resolve.eligibility import Refused
from .timeline import document_of


@dataclass(frozen=True, slots=True)
class Status:
    """The full status of a sidecar at one moment, for people and probes."""

    source: str
    peer_file: str
    orchestrator: str = ""
    ready: bool = False
    complete: bool = False
    generation: int = 0
    digest: str = ""
    peers: tuple[Peer, ...] = ()
    refused: tuple[Refused, ...] = ()
    problems: tuple[Problem, ...] = ()
    acks: Acks = field(default_factory=Acks)
    scopes: tuple[ScopeStatus, ...] = ()
    turns: Activity = field(default_factory=Activity)
    changes: tuple[Change, ...] = ()

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """The current problems with sources, files, acks and the agent's configuration."""
        return (*self.problems, *self.acks.problems, *config_problems(self.acks))

    def document(self) -> dict[str, Any]:
        """The JSON document that `/status` returns."""
        failing = failing_calls(self.acks)
        return {
            "version": __version__,
            "ready": self.ready,
            "orchestrator": self.orchestrator,
            "generation": self.generation,
            "ackedGeneration": self.acks.generation,
            "digest": self.digest,
            "peerFile": self.peer_file,
            "source": {
                "name": self.source,
                "complete": self.complete,
                "scopes": [_scope(scope) for scope in self.scopes],
            },
            "peers": [_peer(peer, failing.get(peer.toolName)) for peer in self.peers],
            "refused": [
                {
                    "name": item.title,
                    "source": item.source,
                    "reason": item.reason.value,
                    "message": item.message or sentence_of(item.reason),
                }
                for item in self.refused
            ],
            "problems": [
                {
                    "where": problem.where,
                    "document": problem.document,
                    "field": problem.field,
                    "reason": problem.reason.value,
                    "message": problem.message,
                }
                for problem in self.all_problems
            ],
            "acks": [_ack(ack) for ack in self.acks.acks],
            "turns": self.turns.document(),
            "changes": [document_of(change) for change in self.changes],
        }


def _peer(peer: Peer, failing: CallFailure | None) -> dict[str, Any]:
    return {
        "name": peer.name,
        "namespace": peer.namespace,
        "tool": peer.toolName,
        "url": peer.url,
        "ready": peer.ready,
        "skills": len(peer.skills),
        "description": peer.description,
        "source": peer.source,
        "fingerprint": peer.fingerprint,
        "interfaces": [f"{one.binding} {one.protocolVersion} {one.url}" for one in peer.interfaces],
        "failing": _failure(failing) if failing is not None else None,
    }


def _failure(failure: CallFailure) -> dict[str, Any]:
    return {
        "subject": failure.subject,
        "reason": failure.reason,
        "message": failure.message,
        "count": failure.count,
        "time": failure.time,
    }


def _scope(scope: ScopeStatus) -> dict[str, Any]:
    return {
        "kind": scope.kind,
        "namespace": scope.namespace,
        "state": scope.state.value,
        "objects": scope.objects,
        "resourceVersion": scope.version,
        "ageSeconds": None if scope.age is None else round(scope.age, 1),
        "restarts": scope.restarts,
        "reason": scope.reason.value if scope.reason else "",
        "message": scope.message,
    }


def _ack(ack: Ack) -> dict[str, Any]:
    return {
        "pid": ack.pid,
        "state": ack.state.value,
        "generation": ack.generation,
        "reason": ack.reason,
        "message": ack.message,
        "refusals": [
            {"subject": item.subject, "reason": item.reason, "message": item.message}
            for item in ack.refusals
        ],
        "failures": [_failure(failure) for failure in ack.failures],
        "config": dump_config_ack(ack.config) if ack.config is not None else None,
        "calls": ack.calls,
        "runtime": ack.runtime,
        "time": ack.time,
    }
