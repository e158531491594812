"""The decision about one pod, and the settings of the injection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base.reasons import Reason, sentence_of

Json = dict[str, Any]
"""A JSON object: a pod, a part of one, or one operation of a JSON patch."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The reason why a pod, or a part of the injection, is skipped. The pod is admitted."""

    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        about = f" ({self.detail})" if self.detail else ""
        return f"{self.reason.value}: {sentence_of(self.reason).removesuffix('.')}{about}."


@dataclass(frozen=True, slots=True)
class Patch:
    """The patch of one pod. `skip` is why it is not injected and gets an annotation at most.

    `without` has the reasons for requested parts that an injected pod does not get.
    """

    operations: tuple[Json, ...] = ()
    asked: bool = True
    skip: Skip | None = None
    without: tuple[Skip, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def injected(self) -> bool:
        """Whether the patch puts something into the pod."""
        return self.skip is None and bool(self.operations)


@dataclass(frozen=True, slots=True)
class Injection:
    """The settings of the injection."""

    image: str
    image_pull_policy: str = "IfNotPresent"
    native_sidecars: bool = True
    reads_image: bool = True
    """Whether the PYTHONPATH of an agent's image is read. It needs a program for the machine."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    registry_url: str = ""
    kagent_gateway: str = ""
    """URL at which the Agents of kagent 1.x are called; "" for the sidecar's own default."""
    audit: bool = False
    """Whether agents log each call of a peer, unless their pod says otherwise."""
    traces: bool = False
    """Whether agents trace their calls of peers, unless their pod says otherwise."""
    traces_endpoint: str = ""
    """URL of the OTLP receiver of the bridges' spans. The spans of an agent go where its own go."""
    max_drain_seconds: int = 600
    """The longest drain of a pod, in seconds; 0 disables drains."""
    reports: bool = True
    """Whether sidecars write the status of an Orchestrator for their workload."""
    token_secret: str = ""
    """NAME/KEY of the Secret with a token for that registry, in the pod's namespace; "" for no token."""
