"""What is decided about one pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base.reasons import Reason, sentence_of

Json = dict[str, Any]
"""A JSON object: a pod, a part of one, or one operation of a JSON patch."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The pod cannot be served, and is admitted as it is."""

    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        about = f" ({self.detail})" if self.detail else ""
        return f"{self.reason.value}: {sentence_of(self.reason).removesuffix('.')}{about}."


@dataclass(frozen=True, slots=True)
class Verdict:
    """The patch of one pod; `skip` says why it holds no more than an annotation.

    `without` says of each thing that the pod asks for, and does not get beside the rest, why.
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
    """The settings of what is injected."""

    image: str
    image_pull_policy: str = "IfNotPresent"
    native_sidecars: bool = True
    reads_image: bool = True
    """Whether the PYTHONPATH of an agent's image is looked for: there is a program for the machine."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    registry_url: str = ""
    max_drain_seconds: int = 600
    """The longest drain that a pod may have; 0: none has any."""
    token_secret: str = ""
    """NAME/KEY of the Secret of the pod's own namespace with a token for that registry, "" for none."""
