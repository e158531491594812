"""Converts custom resources to candidates: the part that files and clusters share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotpeers_shim.contract import Nack, clean_text

from ..base.origin import UrlError, check_peer_url
from ..base.view import MalformedError, read_view
from .cards.card import clean_skills
from .identity import identity_of
from .resource import PIN_ANNOTATION, URL_ANNOTATION, AgentResource, PeerResource, check_card_path
from .snapshot import Candidate


def candidate_of_peer(data: Any, where: str) -> Candidate:
    """The candidate for a `Peer`; `where` is its file, "" in a cluster. Raises `MalformedError`."""
    peer = read_view(PeerResource, data)
    spec = peer.spec
    try:
        check_card_path(spec.url, spec.cardPath)
    except ValueError as error:
        raise MalformedError((Nack.WRONG_SHAPE, "spec.cardPath", str(error))) from error
    return Candidate(
        **identity_of(peer.metadata, "Peer", where),
        url=spec.url,
        card_path=spec.cardPath,
        description=clean_text(spec.description),
        timeout=spec.timeout,
        pinned=spec.pinAddress,
    )


def candidate_of_agent(agent: AgentResource, where: str) -> Candidate:
    """The candidate for a kagent `Agent`, without a URL: files and clusters set it differently."""
    declarative = agent.spec.declarative
    config = declarative.a2aConfig if declarative else None
    return Candidate(
        **identity_of(agent.metadata, "Agent", where),
        description=clean_text(agent.spec.description),
        skills=clean_skills(
            (skill.id, skill.name, skill.description, skill.tags)
            for skill in (config.skills if config else ())
        ),
        pinned=is_pinned(agent.metadata.annotations),
    )


def annotated_url(annotations: Mapping[str, str]) -> str:
    """The URL in the annotation, or "" without one; raises `MalformedError` if it is invalid."""
    url = annotations.get(URL_ANNOTATION, "")
    try:
        return check_peer_url(url) if url else ""
    except UrlError as error:
        field = f"metadata.annotations[{URL_ANNOTATION}]"
        raise MalformedError((Nack.WRONG_SHAPE, field, str(error))) from error


def is_pinned(annotations: Mapping[str, str]) -> bool:
    """Whether the annotation pins a peer to its address: "true", "false" or missing.

    Raises `MalformedError` for any other value.
    """
    value = annotations.get(PIN_ANNOTATION, "false").strip()
    if value not in ("true", "false"):
        field = f"metadata.annotations[{PIN_ANNOTATION}]"
        message = f'{value[:80]!r}: only "true" and "false" are allowed'
        raise MalformedError((Nack.WRONG_SHAPE, field, message))
    return value == "true"
