"""The view of an A2A agent card, of protocol 0.2 to 1.x."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from hotpeers_shim.contract import MAX_NAME, MAX_SKILLS, Interface, Skill, clean_text

from ...base.reasons import Reason
from ..reasons import ModelReason
from .interface import declared_interfaces, named_bindings

_MAX_TAGS = 32
MAX_DEPTH = 64
"""Most objects and lists within each other that a card may have."""
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
    """The data is no agent card that can be used; `reason` says in a word why."""

    def __init__(self, message: str, reason: Reason = ModelReason.CARD_INVALID) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Card:
    """What we read of an agent card, its text clean.

    `interfaces` are those that it declares, the preferred first, with their addresses as they stand
    in the card: `model.endpoint.place` tells where they are called.
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
    """Read an agent card as servers publish it; `CardError` says what is wrong.

    What calls do not need may be missing or of another type. Where a card is as the protocol wants it,
    this is what `a2a.client.card_resolver.parse_agent_card` (a2a-sdk 1.3) reads, which the tests hold
    it against. That one imports 15 MB of client with it, in every pod.
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
        name=clean_text(_text(data.get("name")), MAX_NAME),
        description=clean_text(_text(data.get("description"))),
        skills=clean_skills(map(_skill, skills)) if isinstance(skills, list) else (),
        interfaces=interfaces,
    )


def check_depth(data: Any) -> None:
    """Refuse what nests deeper than `MAX_DEPTH`: what reads it next may be recursive."""
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
        _text(item.get("id")),
        _text(item.get("name")),
        _text(item.get("description")),
        tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def clean_skills(
    skills: Iterable[tuple[str, str, str, Iterable[str]]],
) -> tuple[Skill, ...]:
    """Skills fit for the peer file, of `(id, name, description, tags)`: clean, and not too many.

    One without an id has its name for one, and one that only describes itself its place.
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
    """A name for a peer made of the name of its card, as Kubernetes would allow it.

    Of a name in a script without Latin letters, or of symbols alone, it is a digest.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", _plain(name).lower()).strip("-")[:63].strip("-")
    if has_latin(name):
        return slug
    digest = sha256(unicodedata.normalize("NFC", name).encode("utf-8", "replace")).hexdigest()[:8]
    return f"{slug[:48] or 'agent'}-{digest}".replace("--", "-")


def has_latin(name: str) -> bool:
    """Whether a name can be told by its Latin letters, or by its digits where it has no letters."""
    plain = _plain(name)
    if any(map(str.isalpha, name)):
        return re.search("[A-Za-z]", plain) is not None
    return re.search("[0-9]", plain) is not None


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
