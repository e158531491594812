"""Runs an agent for one question: creates it, asks it, and deletes it even after an error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from ..base.parts import part
from ..kube.client import Client
from ..kube.errors import ConflictError, KubeError, NotFoundError
from ..kube.reasons import KubeReason
from ..model.cluster import agent_url
from ..registry.fault import Fault, fault_of, fault_of_write
from ..registry.reasons import RegistryReason
from ..spawnpolicy.stamps import TEMPLATE
from .agents import Agents, path_of
from .asking import Answer, ask
from .job import Job, became, late, own
from .reasons import McpReason
from .waiting import Refusal

logger = logging.getLogger(__name__)

FIELD_MANAGER = "hotpeers-spawn"
_LOOK_SECONDS = 0.25
_MEND = "Mend the manifest, or tell the user; as it is it never starts."
_WRITE_SECONDS = 20.0
_DELETE_SECONDS = 15.0
_RETRY_SECONDS = 1.0
# The API server may still complete a write after the client has stopped waiting.
_LATE_SECONDS = 3.0
_PASSING = (KubeReason.API_UNREACHABLE, KubeReason.API_BUSY, KubeReason.API_FAILED)


@dataclass(frozen=True, slots=True)
class Ended:
    """The result. `left` says why the agent still exists, or is None if it was deleted."""

    name: str
    namespace: str
    answer: Answer
    seconds: float
    expires: str
    left: str | None


class Ephemeral:
    """Runs agents for one question each; use it as an asynchronous context manager.

    Each agent runs in its own task. If the caller is cancelled, the task stops early and still deletes
    the agent.
    """

    def __init__(
        self,
        client: Client,
        agents: Agents,
        *,
        url_of: Callable[[str, str], str] = agent_url,
    ) -> None:
        self._client = client
        self._agents = agents
        self._url_of = url_of
        self._running: dict[asyncio.Task[Ended], Job] = {}

    async def __aenter__(self) -> Ephemeral:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task, job in self._running.items():
            _stop(task, job)
        if self._running:
            await asyncio.wait(self._running, timeout=_WRITE_SECONDS + _DELETE_SECONDS)

    async def run(self, manifest: Mapping[str, Any], message: str, seconds: float) -> Ended:
        """Create the agent under a unique name, ask it and delete it. Raises `Fault`.

        A `Fault` also says whether the agent still exists. `seconds` limits everything except the
        deletion.
        """
        job = Job(own(manifest, seconds), message, seconds)
        task = asyncio.create_task(self._run(job), name=f"run {job.name}")
        self._running[task] = job
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            _stop(task, job)
            raise

    def _ended(self, task: asyncio.Task[Ended]) -> None:
        del self._running[task]
        if not task.cancelled():
            # Retrieve the exception: asyncio logs it as unhandled if the caller is gone.
            task.exception()

    async def _run(self, job: Job) -> Ended:
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            async with asyncio.timeout(job.seconds):
                answer = await self._live(job)
        except TimeoutError as error:
            left = await self._remove(job)
            raise late(job, became(job, left)) from error
        except Fault as fault:
            left = await self._remove(job)
            text = f"{fault.message}; {became(job, left)}"
            raise Fault(fault.reason, text, fault.advice) from fault
        except BaseException:
            if left := await self._remove(job):
                logger.warning("%s", left)
            raise
        passed = loop.time() - start
        left = await self._remove(job)
        return Ended(job.name, job.namespace, answer, passed, job.expires, left)

    async def _live(self, job: Job) -> Answer:
        await self._create(job)
        job.doing = "waiting for it to be ready"
        await self._until_ready(job)
        job.doing = "asking it"
        return await ask(self._url_of(job.namespace, job.name), job.message)

    async def _create(self, job: Job) -> None:
        await self._try(job)
        # Never cancel the write: a cancelled one may have succeeded.
        job.writing = asyncio.create_task(
            self._apply(job, dry_run=False), name=f"create {job.name}"
        )
        try:
            await asyncio.shield(job.writing)
        except KubeError as error:
            raise fault_of_write(error, f"create {job}") from error

    async def _try(self, job: Job) -> None:
        """Check by a dry run whether the agent would be admitted.

        If only its template annotation is denied, try again without the annotation.
        """
        try:
            await self._apply(job, dry_run=True)
        except KubeError as error:
            fault = fault_of(error, f"create {job}")
            annotations = job.manifest["metadata"]["annotations"]
            if TEMPLATE not in annotations or f'"{TEMPLATE}"' not in error.detail:
                raise fault from error
            # A policy without templates denies the annotation, but may allow the same spec.
            del annotations[TEMPLATE]
            try:
                await self._apply(job, dry_run=True)
            except KubeError:
                raise fault from error

    def _apply(self, job: Job, *, dry_run: bool) -> Coroutine[Any, Any, Any]:
        path = path_of(job.namespace, job.name)
        return self._client.apply(path, job.manifest, manager=FIELD_MANAGER, dry_run=dry_run)

    async def _until_ready(self, job: Job) -> None:
        uid = part(job.stored, "metadata").get("uid")
        loop, refusal = asyncio.get_running_loop(), Refusal()
        while True:
            try:
                seen = await self._agents.read(job.namespace, job.name)
            except Fault as fault:
                if fault.reason not in _PASSING:
                    raise
                job.seen = fault.message
            else:
                if seen is None or seen.uid != uid or seen.ending:
                    message = f"{job} was deleted by somebody else before it was asked"
                    raise Fault(RegistryReason.OBJECT_NOT_FOUND, message)
                if seen.ready:
                    return
                if refusal.is_sure(seen, loop.time()):
                    message = f"{job}: kagent does not accept it: {seen.why}"
                    raise Fault(McpReason.AGENT_NOT_ACCEPTED, message, _MEND)
                job.seen = seen.message
            await asyncio.sleep(_LOOK_SECONDS)

    async def _remove(self, job: Job) -> str | None:
        """Delete the agent. Returns why that failed, or None if no agent is left. Never raises."""
        job.leaving = True
        writing = job.writing
        if writing is None:
            return None
        await asyncio.wait({writing}, timeout=_WRITE_SECONDS)
        try:
            async with asyncio.timeout(_DELETE_SECONDS):
                return await self._remove_until(job, writing)
        except TimeoutError:
            return f"{job} could not be deleted: no answer within {_DELETE_SECONDS:g} s"
        except Exception as error:
            logger.exception("%s is not deleted", job)
            return f"{job} could not be deleted: {type(error).__name__}"

    async def _remove_until(self, job: Job, writing: asyncio.Task[Any]) -> str | None:
        uid = str(part(job.stored, "metadata").get("uid") or "")
        if not uid and _was_refused(writing):
            return None
        loop = asyncio.get_running_loop()
        start = loop.time()
        while True:
            try:
                if not uid:
                    seen = await self._agents.read(job.namespace, job.name)
                    uid = seen.uid if seen is not None else ""
                if uid:
                    await self._client.delete(path_of(job.namespace, job.name), uid)
                    return None
                if loop.time() - start > _LATE_SECONDS:
                    return None
            except (NotFoundError, ConflictError):
                return None  # it is gone, or was replaced by another agent
            except (KubeError, Fault) as error:
                why = error.detail if isinstance(error, KubeError) else error.message
                given_up = loop.time() - start > _DELETE_SECONDS - 2 * _RETRY_SECONDS
                if given_up or (isinstance(error, KubeError) and 400 <= error.status < 429):
                    return f"{job} could not be deleted: {why}"
            await asyncio.sleep(_RETRY_SECONDS)


def _stop(task: asyncio.Task[Ended], job: Job) -> None:
    """End the task early, but only once: a second cancellation would stop the deletion."""
    if not job.leaving:
        job.leaving = True
        task.cancel()


def _was_refused(writing: asyncio.Task[Any]) -> bool:
    """Whether it is certain that the API server stored nothing."""
    if not writing.done() or writing.cancelled():
        return False
    error = writing.exception()
    if not isinstance(error, KubeError):
        return False
    return fault_of_write(error, "").reason is not RegistryReason.OUTCOME_UNKNOWN
