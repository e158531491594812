"""Reasons why a manifest, an agent card or a document is invalid."""

from __future__ import annotations

from ..base.reasons import Reason


class ModelReason(Reason):
    """Why a manifest, an agent card or a document is invalid."""

    CARD_INVALID = "CardInvalid", "The document at the card's address is not an A2A agent card."
    INTERFACE_MISSING = (
        "InterfaceMissing",
        "The agent card has no interface that can be called: a URL with a supported binding and version.",
    )
    NOT_YAML = "NotYaml", "The file is not valid YAML, or its nesting or aliases exceed a limit."
    DUPLICATE_KEY = (
        "DuplicateKey",
        "A mapping has the same key twice; parsers disagree on which one counts.",
    )
    UNKNOWN_KIND = "UnknownKind", "The document is not a Peer, a kagent Agent or an agent card."
    UNKNOWN_FIELD = "UnknownField", "The field is unknown; its value would be ignored."
