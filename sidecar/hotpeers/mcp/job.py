"""One agent for one question: its manifest, how far it has come, and what became of it in words."""

from __future__ import annotations

import asyncio
import copy
import math
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..kube.reasons import KubeReason
from ..registry.fault import Fault
from ..sidecar.reasons import SidecarReason
from ..spawnpolicy.stamps import EXPIRES, PEER, TTL, part
from .reasons import McpReason

MARGIN_SECONDS = 60
"""How much longer than its question it may live, where the one who asks dies."""
_MAX_NAME = 63
_SUFFIX = string.ascii_lowercase + string.digits
_SUFFIX_LENGTH = 8


@dataclass
class Job:
    """One agent, as far as it has come. `writing` is the write that creates it, which is not cut off."""

    manifest: dict[str, Any]
    message: str
    seconds: float
    doing: str = "creating"
    seen: str = ""
    writing: asyncio.Task[Any] | None = None
    leaving: bool = False

    @property
    def name(self) -> str:
        """Of the agent."""
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Of the agent."""
        return str(self.manifest["metadata"]["namespace"])

    def __str__(self) -> str:
        return f"Agent {self.namespace}/{self.name}"

    @property
    def stored(self) -> dict[str, Any]:
        """What the API server answered to its creation; {} where it did not, or refused."""
        done = self.writing is not None and self.writing.done() and not self.writing.cancelled()
        if not done or self.writing is None or self.writing.exception() is not None:
            return {}
        result = self.writing.result()
        return result if isinstance(result, dict) else {}

    @property
    def expires(self) -> str:
        """When the guard ends it; "" where nobody said."""
        return str(part(part(self.stored, "metadata"), "annotations").get(EXPIRES, ""))


def own_name(beginning: str) -> str:
    """A name that nobody has: the beginning, as far as it fits, and eight letters and digits."""
    suffix = "".join(secrets.choice(_SUFFIX) for _ in range(_SUFFIX_LENGTH))
    return f"{beginning[: _MAX_NAME - _SUFFIX_LENGTH - 1].rstrip('-')}-{suffix}"


def own(manifest: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """A copy under a name of its own that expires by itself and is offered to nobody by us."""
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
    """That its time was over, and what had become of it."""
    told = f": {job.seen}" if job.seen and job.doing.startswith("waiting") else ""
    message = f"{job}: {job.seconds:g} s were over while {job.doing}{told}; {outcome}"
    advice = "Call again with a longer timeout_seconds, or a smaller task."
    if job.doing.startswith("waiting"):
        return Fault(SidecarReason.NOT_READY, message, advice)
    reason = (
        McpReason.AGENT_SILENT if job.doing.startswith("asking") else KubeReason.API_UNREACHABLE
    )
    return Fault(reason, message, advice)


def became(job: Job, left: str) -> str:
    """What there is now; `left` says why the agent is still there."""
    if left:
        return f"{left}; {until(job.expires)}"
    return "the agent was deleted" if job.stored else "no agent was created"


def until(expires: str) -> str:
    """When an agent that is left over goes by itself."""
    if expires:
        return f"it expires at {expires}"
    return "nothing says when it expires: delete it, or tell the user"
