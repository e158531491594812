"""The view of an A2A agent card, of protocol 0.3 or 1.x."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

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


class _Part(BaseModel):
    """A part of a card: null stands for what is not said, as in the protocol's own JSON."""

    model_config = ConfigDict(extra="ignore", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None}


class _Interface(_Part):
    url: str = ""
    binding: str = Field(
        default="",
        # 1.x in JSON and as protobuf writes it on request; 0.3.
        validation_alias=AliasChoices("protocolBinding", "protocol_binding", "transport"),
    )


class _Skill(_Part):
    id: str = ""
    name: str = ""
    description: str = ""
    tags: list[str] = []


class _Card(_Part):
    name: str = ""
    description: str = ""
    skills: list[_Skill] = []
    interfaces: list[_Interface] | None = Field(
        default=None, validation_alias=AliasChoices("supportedInterfaces", "supported_interfaces")
    )
    # A2A 0.3
    url: str = ""
    preferredTransport: str = "JSONRPC"
    additionalInterfaces: list[_Interface] = []

    def addresses(self) -> list[_Interface]:
        """The addresses in one form, that of 1.x."""
        if self.interfaces is not None or not self.url:
            return self.interfaces or []
        main = _Interface.model_validate({"url": self.url, "transport": self.preferredTransport})
        return [main, *self.additionalInterfaces]


def parse_card(data: Any) -> Card:
    """Read an agent card of either form; `CardError` says what is wrong.

    It reads what `a2a.client.card_resolver.parse_agent_card` (a2a-sdk 1.3) reads, which the tests
    hold it against. That one imports 15 MB of client with it, in every pod.
    """
    if not isinstance(data, dict):
        raise CardError("an agent card is a JSON object")
    try:
        card = _Card.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise CardError(f"not an agent card: {where[:200]}: {first['msg'][:200]}") from error
    if not card.name.strip():
        raise CardError("name: must not be empty")
    urls = tuple(
        address.url
        for address in card.addresses()
        if address.binding.upper() == "JSONRPC" and address.url
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
