"""Reasons why a sidecar does not offer a peer, and reasons of its own problems."""

from __future__ import annotations

from ..base.reasons import Reason


class SidecarReason(Reason):
    """Why a sidecar does not offer a peer, or has a problem."""

    CARD_ORIGIN_MISMATCH = (
        "CardOriginMismatch",
        "The agent card names an address of another origin than the peer's URL.",
    )
    CARD_UNAVAILABLE = (
        "CardUnavailable",
        "The agent card has not been read yet, or is unreachable now.",
    )
    CARD_UNSIGNED = (
        "CardUnsigned",
        "The agent card has no signature, and the orchestrator requires one.",
    )
    CARD_SIGNATURE_BAD = (
        "CardSignatureBad",
        "No signature of the agent card is valid under the required keys.",
    )
    CARD_KEYS_UNREADABLE = (
        "CardKeysUnreadable",
        "The keys for verifying agent cards are unreadable.",
    )
    IS_ORCHESTRATOR = "IsOrchestrator", "The candidate is the orchestrator itself."
    NAME_COLLISION = "NameCollision", "An earlier peer has the same tool name."
    NAMESPACE_NOT_ALLOWED = (
        "NamespaceNotAllowed",
        "The candidate's namespace is not among the allowed namespaces.",
    )
    NOT_SELECTED = "NotSelected", "The candidate's labels do not match the selector."
    URL_MISSING = "UrlMissing", "The candidate has no URL of an A2A server."
    SOURCE_MISSING = (
        "SourceMissing",
        "The directory of peers does not exist; the last known state stays.",
    )
    SOURCE_UNREADABLE = "SourceUnreadable", "The source is unreadable; the last known state stays."
    SHIM_NOT_INSTALLED = (
        "ShimNotInstalled",
        "The shim is missing from the pod; an agent that started without it has no peers.",
    )
    LOADING = "Loading", "An agent process has not taken over the newest list of peers yet."
    NOT_LIVE = "NotLive", "An agent process still uses an older list of peers."
    NO_PROCESS = "NoProcess", "No agent process has reported yet."
    SHIM_NOT_LOADED = (
        "ShimNotLoaded",
        "No process of the agent has loaded the shim, so that it has no peers: "
        "it is no Python program, or imports no google-adk.",
    )
    PROJECTION_FAILED = (
        "ProjectionFailed",
        "The peer file could not be written; the last one stays.",
    )
    WATCH_UNAVAILABLE = (
        "WatchUnavailable",
        "The folder cannot be watched; it is polled every few seconds.",
    )
    NOT_READY = "NotReady", "The candidate has not been ready yet."
    NAMESPACE_NOT_INVITED = (
        "NamespaceNotInvited",
        "The candidate's allowedNamespaces exclude the orchestrator's namespace.",
    )
    CREDENTIALS_UNREADABLE = (
        "CredentialsUnreadable",
        "The credentials document is unreadable; the last valid one stays.",
    )
    CREDENTIALS_INVALID = (
        "CredentialsInvalid",
        "The credentials document is invalid; the last valid one stays.",
    )
    CREDENTIALS_NOT_DELIVERED = (
        "CredentialsNotDelivered",
        "The credentials cannot be restricted to the agent's user, so none are delivered.",
    )
    TOKEN_UNAVAILABLE = (
        "TokenUnavailable",
        "No OAuth2 token could be fetched; the last one is used while it is valid.",
    )
