"""Follows the configuration of the agent in this process, and keeps the last one that was good.

New files are judged once, as a whole; only then does the next request get them. Judging happens in the
shim's thread or in a request. Putting in place happens in a request alone, right before kagent makes
its agent, so that a turn in flight keeps what it began with.
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
from .container import container_start
from .content import Content
from .document import parse_document
from .folder import Folder, Stamp
from .hashing import Start, Wanted, config_hash
from .judging import LIVE, Good, Judge, Verdict, feature_missing, refused, restart_needed
from .proof import Proof
from .runtime import Runtime

logger = logging.getLogger("hotpeers_shim")

MISSING_SECONDS = 2.0
"""How long config.json may be missing before that is reported: it may be being replaced."""
PATIENCE_SECONDS = 60.0
"""How long after its start a process may take to read its configuration."""
WAIT_SECONDS = 0.25
"""How long a request waits for files that are being judged; it has those before them then."""
_MESSAGE = 1000


class HotConfig:
    """The configuration of this process. Safe to use from any thread.

    `_judging` is held while new files are judged, up to seconds; `_state` for moments only.
    """

    def __init__(self, folder: Folder, *, patience: float = PATIENCE_SECONDS) -> None:
        self.folder = folder
        self._patience = patience
        self._began = time.time()
        self._own_hash = folder.own_hash()
        self._judging = threading.Lock()
        self._state = threading.Lock()
        self._of: _Following | None = None
        self._cannot: Verdict | None = None
        self._ack: ConfigAck | None = None

    def read_at_start(self, data: object) -> Content | None:
        """The files that `data` was read from; None where it was not read from this folder."""
        if self._of is not None:
            return None
        content = self.folder.read()
        if isinstance(content, Rejection) or parse_document(content.config) != data:
            return None
        return content

    def adopt(self, runtime: Runtime, config: Any, content: Content) -> None:
        """Follow the files for this configuration object, which the process made of `content`.

        Raises what `runtime` raises.
        """
        start = Start(content, self._own_hash, container_start(self._began))
        self._cannot = None
        self._of = _Following(runtime, Good(content, config, runtime.facts(config)), start)

    def cannot(self, why: str) -> None:
        """Remember that the configuration of this process cannot be followed."""
        if self._cannot is None:
            logger.warning("the configuration is not followed: %s", why)
            self._cannot = feature_missing(why)

    def look(self) -> None:
        """Judge the files if any of them changed; for the shim's thread."""
        of = self._of
        if of is not None:
            with self._judging:
                self._judge_if_changed(of)
        elif time.time() - self._began > self._patience:
            self.cannot(f"this process made no AgentConfig of {self.folder.path}/config.json")

    def before_build(self, config: Any) -> None:
        """Bring `config` up to date, if it is the one of this process: an agent is made of it next."""
        of = self._of
        if of is None or config is not of.target:
            return
        if self.folder.stamp() != of.seen[0] and self._judging.acquire(timeout=WAIT_SECONDS):
            try:
                self._judge_if_changed(of)
            finally:
                self._judging.release()
        if of.pending is not None:
            with self._state:
                of.put_in_place()

    def after_build(self, config: Any) -> None:
        """An agent was made of `config`: what was put in place is good."""
        of = self._of
        if of is not None and config is of.target:
            of.builds += 1
            of.undo = None

    def roll_back(self, config: Any, error: Exception) -> bool:
        """No agent could be made of `config`. True where what was before is back in place."""
        of = self._of
        if of is None or config is not of.target:
            return False
        with self._state:
            back = of.take_back(error)
        if back:
            logger.error("no agent could be made in a request: %s", of.verdict.message)
        return back

    def runner_made(self) -> None:
        """A runner was made: kagent makes an agent of the configuration before each."""
        if self._of is not None and not self._of.builds:
            self.cannot("this process makes its agents of something else than its AgentConfig")

    def ack(self) -> ConfigAck | None:
        """What there is to say; None before it is known whether the configuration can be followed."""
        with self._state:
            ack = self._now()
        if ack is None:
            return None
        if self._ack is None or replace(self._ack, time=0.0) != ack:
            self._ack = replace(ack, time=time.time())
        return self._ack

    def _now(self) -> ConfigAck | None:
        of = self._of
        verdict, digest, proven, seen = self._cannot, "", "", ""
        if of is not None and verdict is None:
            verdict, digest = of.verdict, of.live.content.digest
            if of.wanted is not None and isinstance(of.newest, Content):
                seen = config_hash(of.newest, of.wanted.secrets)
                if verdict is LIVE:
                    proven, rotated = of.proof.of(seen, of.wanted)
                    verdict = restart_needed((changes.SECRETS,)) if rotated else verdict
        if verdict is None:
            return None
        message = clean_text(verdict.message, _MESSAGE)
        return ConfigAck(
            verdict.state, digest, proven, seen, verdict.reason, message, verdict.restart
        )

    def _judge_if_changed(self, of: _Following) -> None:
        stamps = self.folder.stamps()
        if stamps == of.seen:
            return
        newest = self.folder.read()
        if of.is_being_replaced(newest):
            return
        wanted = self.folder.wanted()
        if newest != of.newest:
            outcome = of.judge(newest)
            with self._state:
                before = of.live
                of.take(newest, outcome)
            _log(outcome, before)
        with self._state:
            of.wanted = wanted
        # They are from before the read: the next look sees a change that came in between.
        of.seen = stamps


class _Following:
    """What is known of the files and of the configuration object that follows them."""

    def __init__(self, runtime: Runtime, start: Good, began: Start) -> None:
        self.target = start.config
        self.live = start
        self.pending: Good | None = None
        self.newest: Content | Rejection = start.content
        self.verdict = LIVE
        self.wanted: Wanted | None = None
        self.proof = Proof(began)
        self.seen: tuple[Stamp, ...] = (None,)
        self.builds = 0
        self.undo: tuple[Good, Mapping[str, Any]] | None = None
        self._runtime = runtime
        self._judge = Judge(runtime, start)
        self._placed = start
        self._missing_since: float | None = None

    def is_being_replaced(self, newest: Content | Rejection) -> bool:
        """Whether a file is missing, but not for so long that it must have been taken away."""
        if not isinstance(newest, Rejection) or newest.reason is not Nack.FILE_MISSING:
            self._missing_since = None
            return False
        now = time.monotonic()
        if self._missing_since is None:
            self._missing_since = now
        return now - self._missing_since < MISSING_SECONDS

    def judge(self, newest: Content | Rejection) -> Good | Verdict:
        """What becomes of new files; those that are live already are good."""
        return self.live if newest == self.live.content else self._judge.judge(newest)

    def take(self, newest: Content | Rejection, outcome: Good | Verdict) -> None:
        """The newest files were judged."""
        self.newest = newest
        if isinstance(outcome, Verdict):
            self.verdict = outcome
            return
        self.verdict = LIVE
        if outcome is not self.live:
            self.live = self.pending = outcome

    def put_in_place(self) -> None:
        """Give the configuration object of the process the fields of the last good one."""
        good, self.pending = self.pending, None
        if good is None:
            return
        self.undo = (self._placed, self._runtime.fields(self.target))
        self._runtime.assign(self.target, self._runtime.fields(good.config))
        self._placed = good

    def take_back(self, error: Exception) -> bool:
        """Undo what was put in place last, where no agent was made of it since."""
        if self.undo is None:
            return False
        before, fields = self.undo
        self.undo = None
        self._runtime.assign(self.target, fields)
        if self.live is self._placed:
            self.live, self.verdict = before, refused(self._runtime.explain(error))
        self._placed = before
        return True


def _log(outcome: Good | Verdict, before: Good) -> None:
    if isinstance(outcome, Verdict):
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
