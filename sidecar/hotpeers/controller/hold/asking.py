"""Asks the pods of one held Deployment to apply its configuration, until all did or one cannot."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlencode

from ...hold.answer import SILENT, Answer, Says
from ...hold.progress import UNREADY_FACTOR, WAITING, Asked, Progress, Stand, progress_of
from ...hold.reasons import HoldReason
from ...hold.state import Hold
from ...hold.workload import HeldDeployment, Pod, asking_patch, newest_replica_set, pods_of
from ...kube.errors import ConflictError, KubeError, NotFoundError
from ..election import LeaderClient
from .secrets import read_secrets
from .sidecars import Sidecars

_AGAIN_SECONDS = 1.0
_PAGE = "500"


@dataclass(slots=True)
class _Known:
    """The state of one pod, as this leader knows it. Times are of the monotonic clock."""

    first: float
    """The time since which the leader waits for an answer."""
    last: float
    """The time of the last patch that asked the pod."""
    before: str
    answer: Answer = SILENT
    ready: bool = False
    proven: bool = False
    """Whether the configuration was live in its last answer."""
    denied: str = ""
    """Why the last patch that asked the pod failed; "" if it did not."""

    def take(self, pod: Pod, answer: Answer, now: float) -> None:
        """Store an answer. `first` starts again if the pod lost its live state or became Ready."""
        lost = self.proven and answer.says not in (Says.LIVE, Says.NOTHING)
        if answer.says is not Says.NOTHING:
            self.proven = answer.says is Says.LIVE
        if lost:
            self.before = ""
            self.ready = pod.ready
        if lost or (pod.ready and not self.ready):
            self.first = now
        self.ready = self.ready or pod.ready
        self.answer = answer


class Asking:
    """One hold of one Deployment. Another wanted configuration is another hold."""

    def __init__(self, client: LeaderClient, sidecars: Sidecars, ack_seconds: float) -> None:
        self._client = client
        self._sidecars = sidecars
        self._ack_seconds = ack_seconds
        self._pods: dict[str, _Known] = {}
        self._unready: dict[str, float] = {}
        """By uid of a pod in a rollout: the time since which it was seen as not Ready."""
        self._began = time.monotonic()
        self.summary: dict[str, str] = {}
        """The last answer of each pod, by pod name."""

    async def look(self, one: HeldDeployment, hold: Hold) -> Progress:
        """Ask all pods once, and decide about the hold. Raises `KubeError` and `SecretsError`."""
        if one.rolling:
            # Pods come and go during a rollout: their times start again after it.
            self._pods.clear()
            self._began = time.monotonic()
            return await self._rolling(one)
        pods = await self.current(one)
        await self._ask(one, hold, pods)
        now = time.monotonic()
        asked = [self._asked(pod, now) for pod in pods]
        return progress_of(asked, one.replicas, now - self._began, self._ack_seconds)

    async def current(self, one: HeldDeployment) -> list[Pod]:
        """The pods of the newest ReplicaSet, read from the API server."""
        selector = ",".join(f"{key}={value}" for key, value in one.selector)
        query = urlencode({"labelSelector": selector, "limit": _PAGE})
        place = f"namespaces/{one.namespace}"
        sets = await self._client.get(f"/apis/apps/v1/{place}/replicasets?{query}")
        newest = newest_replica_set(sets, one)
        if newest is None:
            return []
        return pods_of(await self._client.get(f"/api/v1/{place}/pods?{query}"), newest)

    async def idle(self, one: HeldDeployment, hold: Hold) -> list[float | None]:
        """The seconds for which each pod has been idle; None for a pod where that is unknown."""
        pods = await self.current(one)
        answers = await asyncio.gather(*(self._sidecars.ask(pod, hold.wanted) for pod in pods))
        return [answer.idle for answer in answers]

    async def _rolling(self, one: HeldDeployment) -> Progress:
        if one.stuck:
            return Progress(Stand.RELEASE, HoldReason.ROLLOUT_STUCK, "its deadline has passed")
        now, bound = time.monotonic(), self._ack_seconds * UNREADY_FACTOR
        unready = {}
        for pod in await self.current(one):
            if not pod.ready:
                unready[pod.uid] = first = self._unready.get(pod.uid, now)
                if pod.failing or now - first >= bound:
                    message = f"pod {pod.name} {'cannot start' if pod.failing else 'is not Ready'}"
                    return Progress(Stand.RELEASE, HoldReason.ROLLOUT_STUCK, message)
        self._unready = unready
        return WAITING

    async def _ask(self, one: HeldDeployment, hold: Hold, pods: list[Pod]) -> None:
        answers = await asyncio.gather(*(self._sidecars.ask(pod, hold.wanted) for pod in pods))
        now = time.monotonic()
        due = []
        for pod, answer in zip(pods, answers, strict=True):
            known = self._pods.get(pod.uid)
            if known is None:
                known = self._pods[pod.uid] = _Known(now, float("-inf"), answer.stamp)
            known.take(pod, answer, now)
            if answer.says is not Says.LIVE and now - known.last >= _AGAIN_SECONDS:
                due.append((pod, known))
        there = {pod.uid for pod in pods}
        self._pods = {uid: known for uid, known in self._pods.items() if uid in there}
        self.summary = {
            pod.name: answer.says.value for pod, answer in zip(pods, answers, strict=True)
        }
        due = [(pod, known) for pod, known in due if self._sidecars.can_ask(pod)]
        if due:
            # Read again each time, because its sources may be written after the Deployment.
            secrets = await read_secrets(self._client, one)
            await asyncio.gather(*(self._patch(one, hold, secrets, *each) for each in due))

    async def _patch(
        self, one: HeldDeployment, hold: Hold, secrets: str, pod: Pod, known: _Known
    ) -> None:
        path = f"/api/v1/namespaces/{one.namespace}/pods/{pod.name}"
        try:
            await self._client.patch(path, asking_patch(pod, hold, secrets, pod.tries + 1))
        except (NotFoundError, ConflictError):
            pass  # the pod was deleted or replaced
        except KubeError as error:
            # 422: another pod has the name now, or an admission policy denies the patch.
            if error.status != 422:
                raise
            known.denied = str(error)
        else:
            known.denied = ""
        known.last = time.monotonic()

    def _asked(self, pod: Pod, now: float) -> Asked:
        known = self._pods[pod.uid]
        return Asked(
            name=pod.name,
            ready=pod.ready,
            failing=pod.failing,
            # A pod without an IP address gets one soon.
            has_sidecar=bool(pod.port) and (not pod.ip or self._sidecars.can_ask(pod)),
            seconds=now - known.first,
            answer=known.answer,
            before=known.before,
            proven=known.proven,
            denied=known.denied,
        )
