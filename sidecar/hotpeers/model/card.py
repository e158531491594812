"""The view of an A2A agent card, of protocol 0.3 or 1.x."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from hotpeers_shim.contract import MAX_NAME, MAX_SKILLS, Skill, clean_text

_MAX_TAGS = 32


class CardError(ValueError):
    """The data is no agent card."""


@dataclass(frozen=True, slots=True)
class Card:
    """What we read of an agent card, its text clean; `urls` are its JSON-RPC addresses."""

    name: str
    description: str
    skills: tuple[Skill, ...]
    urls: tuple[str, ...]


def looks_like_card(data: Any) -> bool:
    """Whether a document without a `kind` is meant to be an agent card."""
    return (
        isinstance(data, dict)
        and "kind" not in data
        and "name" in data
        and bool({"url", "supportedInterfaces", "skills", "capabilities"} & data.keys())
    )


def parse_card(data: Any) -> Card:
    """Read an agent card of either form; `CardError` says what is wrong."""
    # Imported late: this costs 16 MB and half a second, and a directory of nothing needs no cards.
    from a2a.client.card_resolver import parse_agent_card  # noqa: PLC0415
    from google.protobuf.json_format import ParseError  # noqa: PLC0415

    if not isinstance(data, dict):
        raise CardError("an agent card is a JSON object")
    try:
        # A copy: the parser rewrites what it is given.
        card = parse_agent_card(json.loads(json.dumps(data)))
    except (ParseError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CardError(f"not an agent card: {str(error)[:300]}") from error
    if not card.name.strip():
        raise CardError("name: must not be empty")
    urls = tuple(
        interface.url
        for interface in card.supported_interfaces
        if interface.protocol_binding.upper() == "JSONRPC" and interface.url
    )
    if not urls:
        raise CardError(
            "supportedInterfaces (or url, before A2A 1.0): names no address of the JSONRPC binding"
        )
    return Card(
        name=clean_text(card.name, MAX_NAME),
        description=clean_text(card.description),
        skills=clean_skills(
            (skill.id, skill.name, skill.description, tuple(skill.tags)) for skill in card.skills
        ),
        urls=urls,
    )


def clean_skills(skills: Any) -> tuple[Skill, ...]:
    """Skills fit for the peer file, of `(id, name, description, tags)`: clean, and not too many."""
    kept: list[Skill] = []
    for ident, name, description, tags in skills:
        clean_id = clean_text(ident or name, MAX_NAME)
        if not clean_id or len(kept) == MAX_SKILLS:
            continue
        clean_tags = (clean_text(tag, MAX_NAME) for tag in tags[:_MAX_TAGS])
        kept.append(
            Skill(
                id=clean_id,
                name=clean_text(name, MAX_NAME),
                description=clean_text(description),
                tags=tuple(tag for tag in clean_tags if tag),
            )
        )
    return tuple(kept)


def slug_of(name: str) -> str:
    """A name for a peer made of the name of its card, as Kubernetes would allow it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-")
