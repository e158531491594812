"""Reasons why a sidecar does not offer a peer, and reasons of its own problems."""

from __future__ import annotations

from ..base.reasons import Reason


class SidecarReason(Reason):
    """Why a sidecar does not offer a peer, or has a problem."""

    CARD_ORIGIN_MISMATCH = (
        "CardOriginMismatch",
        "The agent card sends calls to another origin than the peer's.",
    )
    CARD_UNAVAILABLE = "CardUnavailable", "The agent card was not read yet, or cannot be read now."
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
        "The keys that agent cards must be signed with cannot be read.",
    )
    IS_ORCHESTRATOR = "IsOrchestrator", "It is the orchestrator itself."
    NAME_COLLISION = "NameCollision", "A peer that comes before it has the same tool name."
    NAMESPACE_NOT_ALLOWED = (
        "NamespaceNotAllowed",
        "Its namespace is not among those that are allowed.",
    )
    NOT_SELECTED = "NotSelected", "Its labels do not match the selector."
    URL_MISSING = "UrlMissing", "It does not say where its A2A server is."
    SOURCE_MISSING = (
        "SourceMissing",
        "The directory of peers does not exist; what was read before stays.",
    )
    SOURCE_UNREADABLE = (
        "SourceUnreadable",
        "The source could not be read; what was read before stays.",
    )
    SHIM_NOT_INSTALLED = (
        "ShimNotInstalled",
        "The shim is not in the pod; an agent that started without it has no peers.",
    )
    SHIM_NOT_LOADED = (
        "ShimNotLoaded",
        "No process of the agent has loaded the shim, so that it has no peers: "
        "it is no Python program, or imports no google-adk.",
    )
    PROJECTION_FAILED = (
        "ProjectionFailed",
        "The peer file could not be written; the one before stays.",
    )
    WATCH_UNAVAILABLE = (
        "WatchUnavailable",
        "Changes cannot be watched; they are looked for every few seconds.",
    )
    NOT_READY = "NotReady", "It has not been ready yet."
    NAMESPACE_NOT_INVITED = (
        "NamespaceNotInvited",
        "Its allowedNamespaces leave out the orchestrator's namespace.",
    )
    CREDENTIALS_UNREADABLE = (
        "CredentialsUnreadable",
        "The document of credentials cannot be read; those before it stay.",
    )
    CREDENTIALS_INVALID = (
        "CredentialsInvalid",
        "The document of credentials is not valid; those before it stay.",
    )
    CREDENTIALS_NOT_DELIVERED = (
        "CredentialsNotDelivered",
        "Credentials cannot be given to the agent's user alone; none are.",
    )
    TOKEN_UNAVAILABLE = (
        "TokenUnavailable",
        "No OAuth2 token could be fetched; the one before is used while it is valid.",
    )
