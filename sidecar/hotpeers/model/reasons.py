"""Reasons why a manifest, an agent card or a document is invalid."""

from __future__ import annotations

from ..base.reasons import Reason


class ModelReason(Reason):
    """Why a manifest, an agent card or a document is invalid."""

    CARD_INVALID = "CardInvalid", "What stands in place of the agent card is not one."
    INTERFACE_MISSING = (
        "InterfaceMissing",
        "The agent card names no address, binding and version that can be called.",
    )
    NOT_YAML = (
        "NotYaml",
        "The file is not valid YAML, or nests or repeats more than is safe to read.",
    )
    DUPLICATE_KEY = (
        "DuplicateKey",
        "A key is there twice in one mapping; readers differ on which one counts.",
    )
    UNKNOWN_KIND = "UnknownKind", "It is neither a Peer, nor a kagent Agent, nor an agent card."
    UNKNOWN_FIELD = (
        "UnknownField",
        "The field is not known: what it was meant to say would be lost.",
    )
