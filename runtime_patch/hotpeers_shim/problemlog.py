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
    PeerProblem.HUB_NOT_FOLLOWED,
)


class ProblemLog:
    """Logs each problem once, and again only if it was solved meanwhile."""

    def __init__(self) -> None:
        self._logged: frozenset[tuple[str, str]] = frozenset()

    def update(self, ack: Ack) -> None:
        """Log the problems that the previous ack did not have."""
        found = {
            (refusal.subject, refusal.reason): refusal.message
            for refusal in ack.refusals
            if refusal.reason not in _LOGGED_ELSEWHERE
        }
        found |= {(failure.subject, failure.reason): failure.message for failure in ack.failures}
        for key in found.keys() - self._logged:
            logger.warning("%s: %s: %s", *key, found[key])
        self._logged = frozenset(found)
