"""Reads a pod's Agent and Namespace when the pod is created.

These are live reads, because kagent creates pods milliseconds after an edit of the Agent. A watch
cache may not have an annotation that was just added, and no other pod would be created for it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import TYPE_CHECKING, Any

from ...base.problems import Problem
from ...inject.effective import NOTHING, Sources
from ...inject.outcome import Skip
from ...inject.owner import Agent, agent_name, read_agent
from ...inject.review import Request
from ...kube.errors import ForbiddenError, KubeError, NotFoundError, UnreachableError
from ..reasons import ControllerReason

if TYPE_CHECKING:
    from ...kube.client import Client

logger = logging.getLogger(__name__)

READ_SECONDS = 0.5
"""Timeout of both reads together. The API server's timeout for the webhook is 1 s or more."""
_VERSIONS = ("v1alpha2", "v1alpha1")
_AT_ONCE = 16
_RECENT_SECONDS = 300.0
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_RIGHT = "grant get on {} to the controller (ClusterRole …-owners of k8s/rbac/controller.yaml)"
_CONSEQUENCE = (
    "annotations that were removed from an Agent may still hold on its pods, "
    "and Namespaces that opted in inject nothing"
)


class Owners:
    """Reads Agents and Namespaces. With a client of None, only the pod's own annotations count."""

    def __init__(self, client: Client | None, seconds: float = READ_SECONDS) -> None:
        self._client = client
        self._seconds = seconds
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._failed: dict[str, tuple[float, KubeError]] = {}

    def problems(self) -> tuple[Problem, ...]:
        """The recent reads that failed, and the action to take."""
        oldest = time.monotonic() - _RECENT_SECONDS
        self._failed = {what: one for what, one in self._failed.items() if one[0] > oldest}
        return tuple(_problem(what, error) for what, (_, error) in self._failed.items())

    async def sources(self, request: Request, *, opted_in: bool) -> Sources:
        """The Agent and the annotations of the Namespace of a pod. Raises nothing.

        `opted_in` is true if the Namespace opted in to injection. If a read fails, the pod's own
        annotations apply. In a Namespace that opted in, nothing is injected then, because an unread
        annotation may forbid it.
        """
        try:
            name = agent_name(request.pod)
        except (AttributeError, TypeError):
            return NOTHING  # not a pod: the review reports it
        if not _NAMESPACE.fullmatch(request.namespace) or not (name or opted_in):
            return NOTHING
        try:
            async with asyncio.timeout(self._seconds), self._free:
                agent = await self._agent(request.namespace, name) if name else None
                namespace = await self._annotations(request.namespace) if opted_in else None
        except TimeoutError:
            error: KubeError = UnreachableError(f"no answer within {self._seconds:g} s")
            return self._unknown("agents, namespaces", error, opted_in)
        except _UnreadableError as failure:
            return self._unknown(failure.what, failure.error, opted_in)
        return Sources(agent, namespace)

    async def _agent(self, namespace: str, name: str) -> Agent | None:
        for version in _VERSIONS:
            path = f"/apis/kagent.dev/{version}/namespaces/{namespace}/agents/{name}"
            found = await self._get("agents", path)
            if found is not None:
                try:
                    return read_agent(found)
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    raise _UnreadableError("agents", KubeError("it is no Agent")) from error
        return None

    async def _annotations(self, namespace: str) -> dict[str, str]:
        found = await self._get("namespaces", f"/api/v1/namespaces/{namespace}")
        return dict((found or {}).get("metadata", {}).get("annotations") or {})

    async def _get(self, what: str, path: str) -> Any:
        """The object; None if it does not exist."""
        if self._client is None:
            raise _UnreadableError(what, UnreachableError("this controller asks no API server"))
        try:
            found = await self._client.get(path)
        except NotFoundError:
            found = None
        except KubeError as error:
            raise _UnreadableError(what, error) from error
        self._failed.pop(what, None)
        return found

    def _unknown(self, what: str, error: KubeError, opted_in: bool) -> Sources:
        if self._client is not None:
            if what not in self._failed:
                logger.warning("%s", _problem(what, error), extra={"reason": error.reason.value})
            self._failed[what] = (time.monotonic(), error)
        detail = f"{what}: {error.reason.value}"
        return (
            Sources(unknown=Skip(ControllerReason.SOURCES_UNREADABLE, detail))
            if opted_in
            else NOTHING
        )


class _UnreadableError(Exception):
    """An Agent or Namespace could not be read."""

    def __init__(self, what: str, error: KubeError) -> None:
        super().__init__(what)
        self.what, self.error = what, error


def _problem(what: str, error: KubeError) -> Problem:
    todo = f"; {_RIGHT.format(what)}" if isinstance(error, ForbiddenError) else ""
    return Problem(what, error.reason, f"{_CONSEQUENCE}{todo}: {error}")
