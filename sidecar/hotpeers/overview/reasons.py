"""The reasons that the overview adds: they say why the state of an orchestrator is unknown."""

from __future__ import annotations

from ..base.reasons import Reason


class OverviewReason(Reason):
    """Why the state of an orchestrator is unknown."""

    NO_REPORT = "NoReport", "No pod reports the state of the orchestrator."
    STATUS_OLD = "StatusOld", "The status has the form of an older release of hotpeers."
