"""Verifies inside the pod that the running configuration is the one that kagent's controller wants.

kagent puts a hash of the agent's configuration on the pod template (`computeConfigHash` in
go/core/internal/controller/translator/agent/adk_api_translator.go; the same formula from 0.7 to
0.10). The hash covers the files, and the hashes of the Secrets that models and tool servers use.
The agent gets those Secrets as environment variables, so the rotation of a Secret needs a restart.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .content import Content

CLOCK_SKEW = 5.0
"""Seconds by which the clocks of a node and of the control plane may differ."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The configuration that kagent's controller wants; hotpeers' controller reports it to the pod.

    `hash` is kagent's config-hash in decimal. `secrets` is the input of that hash from the Secrets.
    `since` is when this hash was first wanted, in seconds since the epoch; None if unknown.
    """

    hash: str
    secrets: bytes
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """The state at the start of this process.

    `content` is the files. `hash` is the config-hash of its pod ("" if unknown). `time` is the
    start of its container, in seconds since the epoch (0.0 if unknown).
    """

    content: Content
    hash: str
    time: float


def config_hash(content: Content, secrets: bytes) -> str:
    """kagent's config-hash of an agent, in decimal."""
    parts = (content.config, content.card, secrets, content.srt, content.skills)
    digest = hashlib.sha256(b"".join(parts)).digest()
    return str(int.from_bytes(digest[:8], "big"))


def started_with(start: Start, wanted: Wanted) -> bool:
    """Whether the process is proven to have started with the Secrets in `wanted`.

    There are two proofs. Either the pod's own hash matches these Secrets. Or the process started
    after this hash was wanted, with the wanted files. The second one is for a pod that is created
    while its Deployment is held: its own hash is an older one.
    """
    verified = config_hash(start.content, wanted.secrets)
    if start.hash and verified == start.hash:
        return True
    late = wanted.since is not None and start.time > wanted.since + CLOCK_SKEW
    return late and verified == wanted.hash
