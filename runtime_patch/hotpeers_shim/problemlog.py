"""Logs the problems of an ack that only the ack reports, for an agent whose acks are not read."""

from __future__ import annotations

import logging

from .contract import Ack, PeerProblem

logger = logging.getLogger("hotpeers_shim")

_LOGGED_ELSEWHERE = (
    PeerProblem.AGENT_HAS_NO_TOOLS,
    PeerProblem.BUILT_IN_TOOL_ALONE,
    PeerProblem.FEATURE_MISSING,
    PeerProblem.SHIM_FAULT,
)


class ProblemLog:
    """Logs each problem once, and again only if it was solved meanwhile."""

    def __init__(self) -> None:
        self._logged: frozenset[tuple[str, str]] = frozenset()

    def update(self, ack: Ack) -> None:
        """Log the problems that the previous ack did not have."""
        found = {
            (problem.subject, problem.reason): problem.message
            for problem in (*ack.refusals, *ack.failures)
            if problem.reason not in _LOGGED_ELSEWHERE
        }
        for key in found.keys() - self._logged:
            logger.warning("%s: %s: %s", *key, found[key])
        self._logged = frozenset(found)
