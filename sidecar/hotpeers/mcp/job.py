"""One agent for one question: its manifest, its progress, and its outcome as text."""

from __future__ import annotations

import asyncio
import copy
import math
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base.parts import part
from ..kube.reasons import KubeReason
from ..registry.fault import Fault
from ..sidecar.reasons import SidecarReason
from ..spawnpolicy.stamps import EXPIRES, PEER, TTL
from .reasons import McpReason

MARGIN_SECONDS = 60
"""Extra lifetime of the agent beyond its question. The guard ends it if this process dies."""
_MAX_NAME = 63
_SUFFIX = string.ascii_lowercase + string.digits
_SUFFIX_LENGTH = 8


@dataclass
class Job:
    """One agent and its progress. `writing` is the write that creates it; it is never cancelled."""

    manifest: dict[str, Any]
    message: str
    seconds: float
    doing: str = "creating"
    seen: str = ""
    writing: asyncio.Task[Any] | None = None
    leaving: bool = False

    @property
    def name(self) -> str:
        """The agent's name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The agent's namespace."""
        return str(self.manifest["metadata"]["namespace"])

    def __str__(self) -> str:
        return f"Agent {self.namespace}/{self.name}"

    @property
    def stored(self) -> dict[str, Any]:
        """The API server's answer to the creation; {} if there is none, or if it was denied."""
        done = self.writing is not None and self.writing.done() and not self.writing.cancelled()
        if not done or self.writing is None or self.writing.exception() is not None:
            return {}
        result = self.writing.result()
        return result if isinstance(result, dict) else {}

    @property
    def expires(self) -> str:
        """The time at which the guard ends it, or "" if unknown."""
        return str(part(part(self.stored, "metadata"), "annotations").get(EXPIRES, ""))


def own_name(beginning: str) -> str:
    """A unique name: the beginning, truncated if needed, and eight random letters and digits."""
    suffix = "".join(secrets.choice(_SUFFIX) for _ in range(_SUFFIX_LENGTH))
    return f"{beginning[: _MAX_NAME - _SUFFIX_LENGTH - 1].rstrip('-')}-{suffix}"


def own(manifest: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """A copy of the manifest with a unique name and a TTL, and without the label that makes it a peer."""
    made = copy.deepcopy(dict(manifest))
    metadata = made["metadata"]
    metadata["name"] = own_name(str(metadata["name"]))
    ttl = f"{math.ceil(seconds) + MARGIN_SECONDS}s"
    metadata["annotations"] = {**part(metadata, "annotations"), TTL: ttl}
    labels = {key: value for key, value in part(metadata, "labels").items() if key != PEER}
    metadata.pop("labels", None)
    if labels:
        metadata["labels"] = labels
    return made


def late(job: Job, outcome: str) -> Fault:
    """The failure of a job that exceeded its time. `outcome` says whether the agent still exists."""
    told = f": {job.seen}" if job.seen and job.doing.startswith("waiting") else ""
    message = f"{job}: {job.seconds:g} s were over while {job.doing}{told}; {outcome}"
    advice = "Call again with a longer timeout_seconds, or a smaller task."
    if job.doing.startswith("waiting"):
        return Fault(SidecarReason.NOT_READY, message, advice)
    reason = (
        McpReason.AGENT_SILENT if job.doing.startswith("asking") else KubeReason.API_UNREACHABLE
    )
    return Fault(reason, message, advice)


def became(job: Job, left: str | None) -> str:
    """The outcome as text. `left` says why the agent still exists, or is None if it does not."""
    if left:
        return f"{left}; {until(job.expires)}"
    return "the agent was deleted" if job.stored else "no agent was created"


def until(expires: str) -> str:
    """When a remaining agent expires, as text."""
    if expires:
        return f"it expires at {expires}"
    return "nothing says when it expires: delete it, or tell the user"
