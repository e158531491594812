"""One finding of `hotpeers check`."""

from __future__ import annotations

from dataclasses import dataclass

from ..base.reasons import Reason
from .advice import ADVICE, Severity

__all__ = ["Finding", "Severity"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault: its reason, the object that has it, and details; the remedy follows from the reason.

    `remedy` replaces the general advice of the reason, `level` its severity.
    """

    reason: Reason
    where: str
    message: str
    remedy: str = ""
    level: Severity | None = None

    @property
    def severity(self) -> Severity:
        """Its own severity, or that of its reason."""
        return self.level or ADVICE[self.reason].severity

    @property
    def advice(self) -> str:
        """What to do."""
        return self.remedy or ADVICE[self.reason].remedy

    @property
    def link(self) -> str:
        """The page of the documentation about it, with an anchor if it is about one section."""
        return f"docs/reference/{ADVICE[self.reason].page}"
