"""Why a held Deployment cannot stay held."""

from __future__ import annotations

from ..base.reasons import Reason


class HoldReason(Reason):
    """Why a held Deployment cannot stay held."""

    HELD_REFUSED = (
        "HeldConfigRefused",
        "The agent rejects its new config.json, and keeps the previous one.",
    )
    HELD_RESTART = (
        "HeldConfigNeedsRestart",
        "The new configuration changes something that the agent reads at its start only.",
    )
    ACK_MISSING = "AckMissing", "A pod did not acknowledge the new configuration in time."
    ROLLOUT_STUCK = "RolloutStuck", "A rollout of the Deployment makes no progress."
