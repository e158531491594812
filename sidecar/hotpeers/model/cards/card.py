"""Parses an A2A agent card of protocol 0.2 to 1.x."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from hotpeers_shim.contract import MAX_NAME, MAX_SKILLS, Interface, Skill, clean_text

from ...base.parts import text
from ...base.reasons import Reason
from ..reasons import ModelReason
from .interface import declared_interfaces, named_bindings

_MAX_TAGS = 32
MAX_DEPTH = 64
"""The maximum nesting depth of objects and lists in a card."""
_MARKS = {
    "url",
    "supportedInterfaces",
    "supported_interfaces",
    "additionalInterfaces",
    "additional_interfaces",
    "skills",
    "capabilities",
    "protocolVersion",
}


class CardError(ValueError):
    """The data is not a usable agent card; `reason` is the reason word."""

    def __init__(self, message: str, reason: Reason = ModelReason.CARD_INVALID) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Card:
    """The parts of an agent card that are used, with cleaned text.

    `interfaces` are the declared interfaces, the preferred one first, with the addresses as written in
    the card. `model.cards.endpoint.place` determines the addresses to call.
    """

    name: str
    description: str
    skills: tuple[Skill, ...]
    interfaces: tuple[Interface, ...]


def looks_like_card(data: Any) -> bool:
    """Whether a document without a `kind` is meant to be an agent card."""
    return (
        isinstance(data, dict)
        and "kind" not in data
        and "name" in data
        and bool(_MARKS & data.keys())
    )


def parse_card(data: Any) -> Card:
    """Parse an agent card as servers publish it. Raises `CardError`.

    Fields that calls do not need may be missing or have another type. For a valid card the result
    equals that of `a2a.client.card_resolver.parse_agent_card` (a2a-sdk 1.3); the tests compare both.
    That function is not used because it would import 15 MB of client code in every pod.
    """
    if not isinstance(data, dict):
        raise CardError("an agent card is a JSON object")
    check_depth(data)
    if not _MARKS & data.keys():
        raise CardError(
            "this is not an agent card: it has neither interfaces, nor a url, nor skills"
        )
    interfaces = declared_interfaces(data)
    if not interfaces:
        named = ", ".join(clean_text(name, 40) for name in named_bindings(data))
        message = (
            "supportedInterfaces (or url, before A2A 1.0): names no address of a binding and version"
            " that is known (JSONRPC, HTTP+JSON or GRPC of A2A 0.2 to 1.x)"
        )
        if named:
            message += f"; it has {named}"
        raise CardError(message, ModelReason.INTERFACE_MISSING)
    skills = data.get("skills")
    return Card(
        name=clean_text(text(data, "name"), MAX_NAME),
        description=clean_text(text(data, "description")),
        skills=clean_skills(map(_skill, skills)) if isinstance(skills, list) else (),
        interfaces=interfaces,
    )


def check_depth(data: Any) -> None:
    """Raise `CardError` if the data nests deeper than `MAX_DEPTH`: later readers may be recursive."""
    level: list[Any] = [[data]]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise CardError(f"nests deeper than {MAX_DEPTH} levels")


def _skill(item: Any) -> tuple[str, str, str, tuple[str, ...]]:
    if not isinstance(item, dict):
        return "", "", "", ()
    tags = item.get("tags")
    return (
        text(item, "id"),
        text(item, "name"),
        text(item, "description"),
        tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
    )


def clean_skills(
    skills: Iterable[tuple[str, str, str, Iterable[str]]],
) -> tuple[Skill, ...]:
    """Cleaned skills for the peer file, at most `MAX_SKILLS`, from `(id, name, description, tags)`.

    Without an id, the name becomes the id. With only a description, the id is `skill-` and its number
    in the list. A skill without any of them is left out.
    """
    kept: list[Skill] = []
    for number, (ident, name, description, tags) in enumerate(skills, start=1):
        if len(kept) == MAX_SKILLS:
            break
        clean_id = clean_text(ident, MAX_NAME) or clean_text(name, MAX_NAME)
        clean_description = clean_text(description)
        if not clean_id and not clean_description:
            continue
        clean_tags = (clean_text(tag, MAX_NAME) for tag in list(tags)[:_MAX_TAGS])
        kept.append(
            Skill(
                id=clean_id or f"skill-{number}",
                name=clean_text(name, MAX_NAME),
                description=clean_description,
                tags=tuple(tag for tag in clean_tags if tag),
            )
        )
    return tuple(kept)


def slug_of(name: str) -> str:
    """The name of a peer, made from the name of its card, in the form of a Kubernetes name.

    If `has_latin` is False for the name, the result ends with a digest.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", _plain(name).lower()).strip("-")[:63].strip("-")
    if has_latin(name):
        return slug
    digest = sha256(unicodedata.normalize("NFC", name).encode("utf-8", "replace")).hexdigest()[:8]
    return f"{slug[:48] or 'agent'}-{digest}".replace("--", "-")


def has_latin(name: str) -> bool:
    """Whether a name has Latin letters, or digits if it has no letters at all."""
    plain = _plain(name)
    if any(map(str.isalpha, name)):
        return re.search("[A-Za-z]", plain) is not None
    return re.search("[0-9]", plain) is not None


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
