"""Follows the configuration of the agent in this process, and keeps the last good one.

New files are checked once and as a whole, in the shim's thread or in a request. If they are good,
the next request applies them, right before kagent makes its agent. They are applied nowhere else,
so that a turn in flight keeps the configuration with which it began.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..contract import ConfigAck, Nack, Rejection, clean_text
from . import changes
from .check import LIVE, Checker, Good, Report, feature_missing, refused, restart_needed
from .container import container_start
from .content import Content
from .document import parse_document
from .folder import Folder, Stamp
from .hashing import Start, Wanted, config_hash
from .proof import Proof
from .runtime import Runtime

logger = logging.getLogger("hotpeers_shim")

MISSING_SECONDS = 2.0
"""How long a file may be missing before this is reported: a replacement may be in progress."""
PATIENCE_SECONDS = 60.0
"""How long a process may take after its start to read its configuration."""
WAIT_SECONDS = 0.25
"""How long a request waits while new files are checked. After that, it uses the previous files."""
_MESSAGE = 1000


class HotConfig:
    """The configuration of this process. Thread-safe.

    The lock `_checking` is held while new files are checked, which can take seconds. The lock
    `_state` is only held for moments.
    """

    def __init__(self, folder: Folder, *, patience: float = PATIENCE_SECONDS) -> None:
        self.folder = folder
        self._patience = patience
        self._began = time.time()
        self._own_hash = folder.own_hash()
        self._checking = threading.Lock()
        self._state = threading.Lock()
        self._of: _Following | None = None
        self._cannot: Report | None = None
        self._ack: ConfigAck | None = None

    def read_at_start(self, data: object) -> Content | None:
        """The files that `data` was read from; None if it was not read from this folder."""
        if self._of is not None:
            return None
        content = self.folder.read()
        if isinstance(content, Rejection) or parse_document(content.config) != data:
            return None
        return content

    def adopt(self, runtime: Runtime, config: Any, content: Content) -> None:
        """Follow the files for `config`, the object that the process made from `content`.

        Raises the exceptions of `runtime`.
        """
        start = Start(content, self._own_hash, container_start(self._began))
        self._cannot = None
        self._of = _Following(runtime, Good(content, config, runtime.facts(config)), start)

    def cannot(self, why: str) -> None:
        """Record why the configuration of this process cannot be followed."""
        if self._cannot is None:
            logger.warning("the configuration is not followed: %s", why)
            self._cannot = feature_missing(why)

    def look(self) -> None:
        """Checker the files if any of them has changed. The shim's thread calls this."""
        of = self._of
        if of is not None:
            with self._checking:
                self._check_if_changed(of)
        elif time.time() - self._began > self._patience:
            self.cannot(f"this process made no AgentConfig of {self.folder.path}/config.json")

    def before_build(self, config: Any) -> None:
        """Update `config` if it is followed. Call this before an agent is made from `config`."""
        of = self._of
        if of is None or config is not of.target:
            return
        if self.folder.stamp() != of.seen[0] and self._checking.acquire(timeout=WAIT_SECONDS):
            try:
                self._check_if_changed(of)
            finally:
                self._checking.release()
        if of.pending is not None:
            with self._state:
                of.put_in_place()

    def after_build(self, config: Any) -> None:
        """Record that an agent was made from `config`, so there is nothing to roll back."""
        of = self._of
        if of is not None and config is of.target:
            of.builds += 1
            of.undo = None

    def roll_back(self, config: Any, error: Exception) -> bool:
        """Restore the previous configuration, after no agent could be made from `config`.

        Returns whether it was restored.
        """
        of = self._of
        if of is None or config is not of.target:
            return False
        with self._state:
            back = of.take_back(error)
        if back:
            logger.error("no agent could be made in a request: %s", of.report.message)
        return back

    def runner_made(self) -> None:
        """Check, when a runner is made, that an agent was made from the followed configuration.

        kagent always makes the agent before the runner.
        """
        if self._of is not None and not self._of.builds:
            self.cannot("this process makes its agents of something else than its AgentConfig")

    def ack(self) -> ConfigAck | None:
        """The ack of the configuration; None until it is known whether it can be followed."""
        with self._state:
            ack = self._now()
        if ack is None:
            return None
        if self._ack is None or replace(self._ack, time=0.0) != ack:
            self._ack = replace(ack, time=time.time())
        return self._ack

    def _now(self) -> ConfigAck | None:
        of = self._of
        report, digest, proven, seen = self._cannot, "", "", ""
        if of is not None and report is None:
            report, digest = of.report, of.live.content.digest
            if of.wanted is not None and isinstance(of.newest, Content):
                seen = config_hash(of.newest, of.wanted.secrets)
                if report is LIVE:
                    proven, rotated = of.proof.of(seen, of.wanted)
                    report = restart_needed((changes.SECRETS,)) if rotated else report
        if report is None:
            return None
        message = clean_text(report.message, _MESSAGE)
        return ConfigAck(report.state, digest, proven, seen, report.reason, message, report.restart)

    def _check_if_changed(self, of: _Following) -> None:
        stamps = self.folder.stamps()
        if stamps == of.seen:
            return
        newest = self.folder.read()
        if of.is_being_replaced(newest):
            return
        wanted = self.folder.wanted()
        if newest != of.newest:
            outcome = of.check(newest)
            with self._state:
                before = of.live
                of.take(newest, outcome)
            _log(outcome, before)
        with self._state:
            of.wanted = wanted
        # These stamps are from before the read, so the next check notices a change during the read.
        of.seen = stamps


class _Following:
    """The state of the files and of the configuration object that follows them."""

    def __init__(self, runtime: Runtime, start: Good, began: Start) -> None:
        self.target = start.config
        self.live = start
        self.pending: Good | None = None
        self.newest: Content | Rejection = start.content
        self.report = LIVE
        self.wanted: Wanted | None = None
        self.proof = Proof(began)
        self.seen: tuple[Stamp, ...] = (None,)
        self.builds = 0
        self.undo: tuple[Good, Mapping[str, Any]] | None = None
        self._runtime = runtime
        self._checker = Checker(runtime, start)
        self._placed = start
        self._missing_since: float | None = None

    def is_being_replaced(self, newest: Content | Rejection) -> bool:
        """Whether a file is missing, but for less than `MISSING_SECONDS`."""
        if not isinstance(newest, Rejection) or newest.reason is not Nack.FILE_MISSING:
            self._missing_since = None
            return False
        now = time.monotonic()
        if self._missing_since is None:
            self._missing_since = now
        return now - self._missing_since < MISSING_SECONDS

    def check(self, newest: Content | Rejection) -> Good | Report:
        """The result for new files. Files that are already live are good."""
        return self.live if newest == self.live.content else self._checker.check(newest)

    def take(self, newest: Content | Rejection, outcome: Good | Report) -> None:
        """Record the newest files and the result of the check."""
        self.newest = newest
        if isinstance(outcome, Report):
            self.report = outcome
            return
        self.report = LIVE
        if outcome is not self.live:
            self.live = self.pending = outcome

    def put_in_place(self) -> None:
        """Copy the fields of the last good configuration into the object of the process."""
        good, self.pending = self.pending, None
        if good is None:
            return
        self.undo = (self._placed, self._runtime.fields(self.target))
        self._runtime.assign(self.target, self._runtime.fields(good.config))
        self._placed = good

    def take_back(self, error: Exception) -> bool:
        """Undo the last `put_in_place`, unless an agent was made since. Returns whether it did."""
        if self.undo is None:
            return False
        before, fields = self.undo
        self.undo = None
        self._runtime.assign(self.target, fields)
        if self.live is self._placed:
            self.live, self.report = before, refused(self._runtime.explain(error))
        self._placed = before
        return True


def _log(outcome: Good | Report, before: Good) -> None:
    if isinstance(outcome, Report):
        message = clean_text(outcome.message, _MESSAGE)
        logger.warning(
            "the new configuration is not live, the one before it is: %s: %s",
            outcome.reason,
            message,
        )
        return
    names = ", ".join(changes.differing(before.facts, outcome.facts)) or "nothing"
    digest = outcome.content.digest[:12]
    logger.info("configuration %s is live; changed: %s", digest, names)
