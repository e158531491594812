"""Reports whether the shim is missing from the agent's folder, and reinstalls it.

An agent that started without the shim keeps running without peers. An agent whose PYTHONPATH is
restored by the shim's bootstrap cannot start without the shim: kubelet restarts it, and it then
finds the reinstalled shim.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from pathlib import Path

from ...base.backoff import Backoff
from ...base.problems import Problem
from ...base.reasons import sentence_of
from ..reasons import SidecarReason

logger = logging.getLogger(__name__)

_PATIENCE = 15.0
"""Seconds that an installation may take; longer than the hook that installs (`hook`)."""
_LONGEST_PAUSE = 300.0


class Absence:
    """Reports whether the shim is missing from `folder`; None disables the check.

    `patience` is the number of seconds before the first check. `pause` is the number of seconds
    from then to the first reinstallation, and to the second; after that the pause doubles each time.
    """

    def __init__(
        self, folder: Path | None, patience: float = _PATIENCE, pause: float = _PATIENCE
    ) -> None:
        self._place = folder / "hotpeers_shim" if folder is not None else None
        self._due = time.monotonic() + patience
        self._backoff = Backoff(pause, _LONGEST_PAUSE)
        self._next = self._due + pause
        self._try: subprocess.Popen[bytes] | None = None
        self.problem: Problem | None = None

    @property
    def installing(self) -> bool:
        """Whether a reinstallation is running."""
        return self._try is not None and self._try.poll() is None

    def changes(self) -> bool:
        """Check the folder, after the patience has passed. Returns whether `problem` has changed."""
        if self._place is None or time.monotonic() < self._due:
            return False
        before = self.problem
        self.problem = None
        if not self._place.is_dir():
            reason = SidecarReason.SHIM_NOT_INSTALLED
            self.problem = Problem(str(self._place), reason, sentence_of(reason))
            if not self.installing and time.monotonic() >= self._next:
                self._install(self._place.parent)
        return self.problem != before

    def _install(self, folder: Path) -> None:
        """Start a reinstallation in its own process, because the disk may be slow or full."""
        self._next = time.monotonic() + self._backoff.next()
        command = [sys.executable, "-m", "hotpeers.hook", str(folder)]
        try:
            self._try = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own
        except OSError as error:
            logger.warning("the shim cannot be installed again: %s", error)
