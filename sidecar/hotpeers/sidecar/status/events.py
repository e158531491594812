"""Tells the cluster: Kubernetes Events on the orchestrator's Agent.

Nobody waits for them, and nothing reads them here: they are for people. What happens in a short
time goes into one Event for each reason, and what cannot be sent is counted, logged and forgotten.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hotpeers_shim.contract import Ack, CallFailure, Peer, clean_text

from ...base.problems import Problem
from ...kube.client import Client
from ...kube.errors import ForbiddenError, KubeError
from ..resolve.changes import PeerChanges
from ..resolve.eligibility import Refused

logger = logging.getLogger(__name__)

_CONTROLLER = "hotpeers.dev/sidecar"
_API_VERSION, _PLURAL = "kagent.dev/v1alpha2", "agents"
_GATHER_SECONDS = 0.5
_REST_SECONDS = 10.0
# The API server refuses notes of more than 1 kB.
_MAX_NOTE = 1000
_MAX_SUBJECTS = 1000
_CALLS_SECONDS = 300.0
"""How long an Event on failing calls of a peer stands before there is another one for it."""
_RIGHT = (
    "bind ClusterRole hotpeers-feedback to the pod's ServiceAccount (k8s/rbac/orchestrator.yaml)"
)
_WARNINGS = {"PeerRefused", "ReloadRejected", "CallsFailed", "ShimNotLoaded"}
_ACTIONS = {
    "PeerAdded": "Offer",
    "PeerRemoved": "Withdraw",
    "PeerRefused": "Refuse",
    "ReloadRejected": "Reload",
    "CallsFailed": "Call",
    "ShimNotLoaded": "Load",
}


class Feedback:
    """Events about one orchestrator, `namespace/name`. `failed` is called for each that is lost.

    `gather` are the seconds in which things are taken together, `rest` those between two tellings.
    """

    def __init__(
        self,
        client: Client,
        orchestrator: str,
        failed: Callable[[], None],
        *,
        gather: float = _GATHER_SECONDS,
        rest: float = _REST_SECONDS,
    ) -> None:
        self._client = client
        self._namespace, _, self._name = orchestrator.partition("/")
        self._failed = failed
        self._gather, self._rest = gather, rest
        self._waiting: dict[str, dict[str, None]] = {}
        self._more: dict[str, int] = {}
        self._news = asyncio.Event()
        self._complained = ""
        self._calls: dict[str, float] = {}

    def peers(self, changes: PeerChanges) -> None:
        """Peers came or went."""
        self._note("PeerAdded", map(_title, changes.added))
        self._note("PeerRemoved", map(_title, changes.removed))

    def refused(self, items: Iterable[Refused]) -> None:
        """Candidates were refused."""
        self._note("PeerRefused", (f"{item.title} ({item.reason.value})" for item in items))

    def nacked(self, acks: Iterable[Ack]) -> None:
        """Agent processes refused the peer file."""
        self._note("ReloadRejected", (f"process {ack.pid} ({ack.reason})" for ack in acks))

    def failing(self, failures: Iterable[CallFailure]) -> None:
        """Calls of peers began to fail. One that does so now and then is told of every five minutes."""
        now = asyncio.get_running_loop().time()
        self._calls = {key: at for key, at in self._calls.items() if now - at < _CALLS_SECONDS}
        for failure in failures:
            subject = f"{failure.subject} ({failure.reason})"
            if subject not in self._calls and len(self._calls) < _MAX_SUBJECTS:
                self._calls[subject] = now
                self._note("CallsFailed", [subject])

    def not_loaded(self, problem: Problem) -> None:
        """The agent runs, and no process of it has loaded the shim."""
        self._note("ShimNotLoaded", [problem.message])

    async def run(self) -> None:
        """Tell for ever what was noted. Raises nothing but what is a bug."""
        while True:
            await self._news.wait()
            await asyncio.sleep(self._gather)
            self._news.clear()
            waiting, self._waiting = self._waiting, {}
            more, self._more = self._more, {}
            uid = await self._uid()
            for reason, subjects in waiting.items():
                await self._send(reason, list(subjects), more.get(reason, 0), uid)
            await asyncio.sleep(self._rest)

    def _note(self, reason: str, subjects: Iterable[str]) -> None:
        for subject in subjects:
            known = self._waiting.setdefault(reason, {})
            if len(known) < _MAX_SUBJECTS or subject in known:
                known[subject] = None
            else:
                self._more[reason] = self._more.get(reason, 0) + 1
            self._news.set()

    async def _uid(self) -> str:
        """The uid of the Agent, by which people's tools find its Events; "" if it is not told."""
        path = f"/apis/{_API_VERSION}/namespaces/{self._namespace}/{_PLURAL}/{self._name}"
        try:
            agent = await self._client.get(path)
            return str(agent["metadata"]["uid"])
        except (KubeError, KeyError, TypeError):
            return ""

    async def _send(self, reason: str, subjects: list[str], more: int, uid: str) -> None:
        path = f"/api/v1/namespaces/{self._namespace}/events"
        try:
            await self._client.post(path, self._event(reason, note_of(subjects, more), uid))
            self._complained = ""
        except KubeError as error:
            self._failed()
            if str(error) != self._complained:
                self._complained = str(error)
                todo = f"; {_RIGHT}" if isinstance(error, ForbiddenError) else ""
                extra = {"reason": reason}
                logger.warning("no Event could be made: %s%s", error, todo, extra=extra)

    def _event(self, reason: str, note: str, uid: str) -> dict[str, Any]:
        regarding = {
            "apiVersion": _API_VERSION,
            "kind": "Agent",
            "namespace": self._namespace,
            "name": self._name,
        }
        now = datetime.now(UTC)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{self._name[:200]}.{uuid4().hex[:16]}",
                "namespace": self._namespace,
            },
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "firstTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lastTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "count": 1,
            "source": {"component": _CONTROLLER},
            "reportingComponent": _CONTROLLER,
            "reportingInstance": f"{socket.gethostname()}-{os.getpid()}"[:128],
            "action": _ACTIONS[reason],
            "reason": reason,
            "involvedObject": {**regarding, **({"uid": uid} if uid else {})},
            "message": note,
            "type": "Warning" if reason in _WARNINGS else "Normal",
        }


def note_of(subjects: list[str], more: int) -> str:
    """As many of the subjects as there is room for, and how many others there are."""
    parts: list[str] = []
    length = 0
    for subject in subjects:
        text = clean_text(subject, 300)
        length += len(text.encode()) + 2
        if length > _MAX_NOTE - 40:
            break
        parts.append(text)
    others = len(subjects) - len(parts) + more
    return ", ".join(parts) + (f" and {others} more" if others else "")


def _title(peer: Peer) -> str:
    return f"{peer.namespace}/{peer.name}" if peer.namespace else peer.name
