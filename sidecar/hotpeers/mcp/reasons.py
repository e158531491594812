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
    AGENT_UNKNOWN = "AgentUnknown", "No live agent has this name."
    AGENT_AMBIGUOUS = "AgentAmbiguous", "More than one live agent has this name."
    ARGUMENTS_INVALID = "ArgumentsInvalid", "The arguments of the tool do not follow its schema."
    CONVERSATION_UNKNOWN = (
        "ConversationUnknown",
        "The conversation is not one of this orchestrator and user, or has expired.",
    )
    CONVERSATION_ELSEWHERE = (
        "ConversationElsewhere",
        "The conversation is with another agent, or with one that was deleted.",
    )
    NO_ANSWER_EXPECTED = "NoAnswerExpected", "No message of the conversation waits for an answer."
    ANSWER_LOST = (
        "AnswerLost",
        "The process that asked the agent ended before the agent answered.",
    )
    TOO_MANY_CALLS = (
        "TooManyCalls",
        "The maximum number of calls at one time or in a minute is reached.",
    )
    KEY_MISSING = "KeyMissing", "The hub has no key, so it accepts no token."
