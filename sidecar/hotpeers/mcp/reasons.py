"""Why a tool could not do its work."""

from __future__ import annotations

from ..base.reasons import Reason


class McpReason(Reason):
    """Why a tool could not do its work."""

    MANIFEST_REFUSED = (
        "ManifestRefused",
        "The manifest is not exactly one plain object that can be applied.",
    )
    NOT_SPAWNED_HERE = (
        "NotSpawnedHere",
        "The agent has no stamp of this orchestrator and is not changed.",
    )
    ORCHESTRATOR_UNKNOWN = "OrchestratorUnknown", "No orchestrator is configured."
    AGENT_NOT_ACCEPTED = "AgentNotAccepted", "kagent rejects the agent."
    AGENT_UNREACHABLE = (
        "AgentUnreachable",
        "The agent cannot be reached over A2A, or does not speak it.",
    )
    AGENT_SILENT = "AgentSilent", "The agent did not answer in time."
