"""Kubernetes Events on the orchestrator's Agent.

Changes within a short time are collected into one Event for each reason. An Event that cannot be
written is counted, logged and dropped.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable

from hotpeers_shim.contract import Ack, CallFailure, clean_text

from ...base.problems import Problem
from ...kube.client import Client
from ...kube.errors import KubeError
from ...kube.events import MAX_NOTE, Event, EventWriter, reference
from ..resolve.changes import PeerChanges
from ..resolve.eligibility import Refused
from .peers import title_of

_COMPONENT = "hotpeers.dev/sidecar"
_API_VERSION, _PLURAL = "kagent.dev/v1alpha2", "agents"
_GATHER_SECONDS = 0.5
_REST_SECONDS = 10.0
_MAX_SUBJECTS = 1000
_CALLS_SECONDS = 300.0
"""Minimum seconds between two Events about the same peer and the same reason of failing calls."""
_RIGHT = (
    "bind ClusterRole hotpeers-feedback to the pod's ServiceAccount (k8s/rbac/orchestrator.yaml)"
)
_LATE_SECONDS = 300.0
"""Minimum seconds between two Events about changes that are not live."""
_WARNINGS = {
    "PeerRefused",
    "ReloadRejected",
    "CallsFailed",
    "ChangeNotLive",
    "ShimNotLoaded",
    "ShimNotInstalled",
}
_ACTIONS = {
    "PeerAdded": "Offer",
    "PeerRemoved": "Withdraw",
    "PeerRefused": "Refuse",
    "ReloadRejected": "Reload",
    "CallsFailed": "Call",
    "ChangeNotLive": "Reload",
    "ShimNotLoaded": "Load",
    "ShimNotInstalled": "Install",
}


class Feedback:
    """Events about one orchestrator, `namespace/name`. `failed` is called for each lost Event.

    Changes are collected for `gather` seconds before the Events are written. A pause of `rest`
    seconds follows.
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
        self._events = EventWriter(client, _COMPONENT, failed, right=_RIGHT)
        self._gather, self._rest = gather, rest
        self._waiting: dict[str, dict[str, None]] = {}
        self._more: dict[str, int] = {}
        self._news = asyncio.Event()
        self._calls: dict[str, float] = {}
        self._late = -math.inf

    def peers(self, changes: PeerChanges) -> None:
        """Peers were added or removed."""
        self._note("PeerAdded", map(title_of, changes.added))
        self._note("PeerRemoved", map(title_of, changes.removed))

    def refused(self, items: Iterable[Refused]) -> None:
        """Candidates were refused."""
        self._note("PeerRefused", (f"{item.title} ({item.reason.value})" for item in items))

    def nacked(self, acks: Iterable[Ack]) -> None:
        """Agent processes rejected the peer file."""
        self._note("ReloadRejected", (f"process {ack.pid} ({ack.reason})" for ack in acks))

    def failing(self, failures: Iterable[CallFailure]) -> None:
        """Calls of peers began to fail. A peer and reason is reported once in five minutes at most."""
        now = asyncio.get_running_loop().time()
        self._calls = {key: at for key, at in self._calls.items() if now - at < _CALLS_SECONDS}
        for failure in failures:
            subject = f"{failure.subject} ({failure.reason})"
            if subject not in self._calls and len(self._calls) < _MAX_SUBJECTS:
                self._calls[subject] = now
                self._note("CallsFailed", [subject])

    def late(self, text: str) -> None:
        """A change is not live. It is reported once in five minutes at most."""
        now = asyncio.get_running_loop().time()
        if now - self._late >= _LATE_SECONDS:
            self._late = now
            self._note("ChangeNotLive", [text])

    def without_shim(self, problem: Problem) -> None:
        """The agent runs without the shim (`ShimNotLoaded`), or would start so (`ShimNotInstalled`)."""
        self._note(problem.reason.value, [problem.message])

    async def run(self) -> None:
        """Write Events until cancelled. A `KubeError` is handled; other errors are raised."""
        while True:
            await self._news.wait()
            await asyncio.sleep(self._gather)
            self._news.clear()
            waiting, self._waiting = self._waiting, {}
            more, self._more = self._more, {}
            about = reference(_API_VERSION, "Agent", self._namespace, self._name, await self._uid())
            for reason, subjects in waiting.items():
                note = note_of(list(subjects), more.get(reason, 0))
                warning = reason in _WARNINGS
                await self._events.write(Event(about, reason, note, _ACTIONS[reason], warning))
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
        """The uid of the Agent, or "" if it cannot be read."""
        path = f"/apis/{_API_VERSION}/namespaces/{self._namespace}/{_PLURAL}/{self._name}"
        try:
            agent = await self._client.get(path)
            return str(agent["metadata"]["uid"])
        except (KubeError, KeyError, TypeError):
            return ""


def note_of(subjects: list[str], more: int) -> str:
    """A note with as many subjects as fit, and at its end the number of the others plus `more`."""
    parts: list[str] = []
    length = 0
    for subject in subjects:
        text = clean_text(subject, 300)
        length += len(text.encode()) + 2
        if length > MAX_NOTE - 40:
            break
        parts.append(text)
    others = len(subjects) - len(parts) + more
    return ", ".join(parts) + (f" and {others} more" if others else "")
