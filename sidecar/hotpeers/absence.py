"""Whether the shim is missing where the agent would find it."""

from __future__ import annotations

import time
from pathlib import Path

from .model.snapshot import Problem
from .reasons import SENTENCES, Reason

_PATIENCE = 15.0
"""Seconds that an installation may take; longer than the hook that does it (`hook`)."""


class Absence:
    """The absence of the shim from a folder, None being none that anybody looks at."""

    def __init__(self, folder: Path | None, patience: float = _PATIENCE) -> None:
        self._place = folder / "hotpeers_shim" if folder is not None else None
        self._due = time.monotonic() + patience
        self.problem: Problem | None = None

    def changes(self) -> bool:
        """Look there, after a while; whether `problem` is another one since."""
        if self._place is None or time.monotonic() < self._due:
            return False
        before = self.problem
        self.problem = None
        if not self._place.is_dir():
            reason = Reason.SHIM_NOT_INSTALLED
            self.problem = Problem(str(self._place), reason, SENTENCES[reason])
        return self.problem != before
