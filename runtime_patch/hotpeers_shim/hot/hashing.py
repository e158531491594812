"""Verifies, inside the pod, that what runs is what kagent's controller wants.

kagent stamps a hash of the agent's configuration on the pod template (`computeConfigHash` in
go/core/internal/controller/translator/agent/adk_api_translator.go; the same formula from 0.7 to
0.10). It covers the files, and the hashes of the Secrets that models and tool servers use. Those
Secrets reach the agent as environment variables, so a rotation of one needs a restart.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .content import Content

CLOCK_SKEW = 5.0
"""Seconds by which the clocks of a node and of the control plane may differ."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The configuration that kagent's controller wants, as hotpeers' controller tells the pod.

    `hash` is kagent's config-hash in decimal. `secrets` is what that hash has of the Secrets. `since`
    is when this hash was first wanted, in seconds since the epoch; None where that was not said.
    """

    hash: str
    secrets: bytes
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """How this process started: with which files, under which config-hash of its pod ("" where that is
    unknown), and when its container did, in seconds since the epoch (0.0 where that is unknown)."""

    content: Content
    hash: str
    time: float


def config_hash(content: Content, secrets: bytes) -> str:
    """kagent's config-hash of an agent, in decimal."""
    parts = (content.config, content.card, secrets, content.srt, content.skills)
    digest = hashlib.sha256(b"".join(parts)).digest()
    return str(int.from_bytes(digest[:8], "big"))


def started_with(start: Start, wanted: Wanted) -> bool:
    """Whether the process is proven to have started with the Secrets that `wanted` names.

    Either its pod's own hash verifies with them, or it started after that hash was wanted, with the
    files that were wanted: a pod that is made while its Deployment is held has the older hash.
    """
    verified = config_hash(start.content, wanted.secrets)
    if start.hash and verified == start.hash:
        return True
    late = wanted.since is not None and start.time > wanted.since + CLOCK_SKEW
    return late and verified == wanted.hash
