"""The fixed reason words of the shim, each with its sentence.

`hotpeers.base.reasons` includes them in the sidecar's words: each word has one meaning everywhere.
"""

from __future__ import annotations

from enum import StrEnum


class Nack(StrEnum):
    """Why a reader refused a file. `NACK_SENTENCES` has the sentences."""

    FILE_MISSING = "FileMissing"
    FILE_UNREADABLE = "FileUnreadable"
    FILE_TOO_LARGE = "FileTooLarge"
    FILE_EMPTY = "FileEmpty"
    NOT_UTF8 = "NotUtf8"
    NOT_JSON = "NotJson"
    WRONG_SHAPE = "WrongShape"
    UNSUPPORTED_VERSION = "UnsupportedVersion"
    DUPLICATE_TOOL_NAME = "DuplicateToolName"
    TOO_MANY_PEERS = "TooManyPeers"
    PEER_TOO_LARGE = "PeerTooLarge"


NACK_SENTENCES: dict[Nack, str] = {
    Nack.FILE_MISSING: "The file does not exist.",
    Nack.FILE_UNREADABLE: "The file exists but could not be read.",
    Nack.FILE_TOO_LARGE: "The file is larger than the limit.",
    Nack.FILE_EMPTY: "The file is empty.",
    Nack.NOT_UTF8: "The file is not valid UTF-8.",
    Nack.NOT_JSON: "The file is not complete, valid JSON.",
    Nack.WRONG_SHAPE: "A field is missing, has the wrong type or a value that is not allowed.",
    Nack.UNSUPPORTED_VERSION: "The file has a major version that this reader does not know.",
    Nack.DUPLICATE_TOOL_NAME: "Two peers of the file have the same tool name.",
    Nack.TOO_MANY_PEERS: "The file lists more peers than the limit.",
    Nack.PEER_TOO_LARGE: "One peer of the file is larger than the limit.",
}


class PeerProblem(StrEnum):
    """Why one peer of an accepted file, one agent or one feature of the shim is left out."""

    TOOL_NAME_TAKEN = "ToolNameTaken"
    AGENT_HAS_NO_TOOLS = "AgentHasNoTools"
    INTERFACE_UNSUPPORTED = "InterfaceUnsupported"
    BUILT_IN_TOOL_ALONE = "BuiltInToolAlone"
    FEATURE_MISSING = "FeatureMissing"
    SHIM_FAULT = "ShimFault"
    HUB_NOT_FOLLOWED = "HubNotFollowed"


PEER_PROBLEM_SENTENCES: dict[PeerProblem, str] = {
    PeerProblem.TOOL_NAME_TAKEN: "The agent already has a tool of this name, and keeps its own.",
    PeerProblem.AGENT_HAS_NO_TOOLS: "The root agent cannot hold tools, nor can any agent below it.",
    PeerProblem.INTERFACE_UNSUPPORTED: (
        "The agent's A2A library speaks none of the protocols that the peer offers."
    ),
    PeerProblem.BUILT_IN_TOOL_ALONE: (
        "The agent's only tools are built into its model, which refuses others beside them."
    ),
    PeerProblem.FEATURE_MISSING: (
        "A feature of the shim does not work with the agent's libraries; the others do."
    ),
    PeerProblem.SHIM_FAULT: "The shim failed in a call of the peer, and the model was told so.",
    PeerProblem.HUB_NOT_FOLLOWED: (
        "The peer list of the hub does not arrive; the last good list stays live."
    ),
}


class CallProblem(StrEnum):
    """Why calls of a peer fail. This is only reported: the model can still call the peer."""

    UNREACHABLE = "PeerUnreachable"
    REFUSED = "CallRefused"
    ANSWER_INVALID = "AnswerInvalid"
    ANSWER_TOO_LARGE = "AnswerTooLarge"
    TIMED_OUT = "CallTimedOut"
    LOOP = "CallLoop"
    TOO_DEEP = "CallTooDeep"


CALL_PROBLEM_SENTENCES: dict[CallProblem, str] = {
    CallProblem.UNREACHABLE: "No connection to the peer could be made, or it broke.",
    CallProblem.REFUSED: "The peer answered the call with an error.",
    CallProblem.ANSWER_INVALID: "The peer's answer is not one of the A2A protocol.",
    CallProblem.ANSWER_TOO_LARGE: "The peer's answer is larger than the limit.",
    CallProblem.TIMED_OUT: "The peer did not answer within the time limit of the call.",
    CallProblem.LOOP: "The call was not made: agents would call each other in a loop.",
    CallProblem.TOO_DEEP: (
        "The call was not made: too many agents in a row have called each other."
    ),
}


class ConfigProblem(StrEnum):
    """Why a new configuration of the agent is not live. `Nack` has the words for a bad file."""

    REFUSED = "ConfigRefused"
    RESTART_NEEDED = "RestartNeeded"
    RESTART_WAITS = "RestartWaits"


CONFIG_PROBLEM_SENTENCES: dict[ConfigProblem, str] = {
    ConfigProblem.REFUSED: (
        "kagent refuses the new configuration; the agent keeps the one before it."
    ),
    ConfigProblem.RESTART_NEEDED: (
        "The new configuration changes something that the agent reads at its start only."
    ),
    ConfigProblem.RESTART_WAITS: (
        "The agent's container is restarted with the new configuration when the agent is idle."
    ),
}


class AgentProblem(StrEnum):
    """Why the shim does nothing in an agent process, which then runs as without hotpeers.

    The module `unsupported` has the same words, because it must run where this module cannot.
    """

    RUNTIME_UNSUPPORTED = "RuntimeUnsupported"
    SHIM_FAILED = "ShimFailed"


AGENT_PROBLEM_SENTENCES: dict[AgentProblem, str] = {
    AgentProblem.RUNTIME_UNSUPPORTED: (
        "The shim does not work with the agent's libraries or its Python."
    ),
    AgentProblem.SHIM_FAILED: "The shim should work in this agent, and failed.",
}
