"""Reasons of the overview itself, besides those that are in a status."""

from __future__ import annotations

from ..base.reasons import Reason


class OverviewReason(Reason):
    """Why the state of an orchestrator is unknown."""

    NO_REPORT = "NoReport", "No pod reports the state of the orchestrator."
    STATUS_OLD = "StatusOld", "The status has the form of an older release of hotpeers."


REMEDIES = {
    OverviewReason.NO_REPORT: (
        "see whether its pods run and have a sidecar (kubectl get pods; hotpeers check); "
        "with zero pods this is expected"
    ),
    OverviewReason.STATUS_OLD: "upgrade the controller and the hub, and restart the workload",
}
"""What to do about each of them."""
