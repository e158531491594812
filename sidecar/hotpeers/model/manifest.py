"""Converts manifests to candidates: a `Peer`, a kagent `Agent` or an agent card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from hotpeers_shim.contract import Nack, clean_text

from ..base.origin import UrlError, check_peer_url
from ..base.problems import Problem
from ..base.view import MalformedError, read_view
from .candidate import annotated_url, candidate_of_agent, candidate_of_peer
from .cards.card import Card, CardError, has_latin, looks_like_card, parse_card, slug_of
from .cards.endpoint import place
from .cards.interface import GRPC
from .fields import Finding, Spelling
from .identity import source_of
from .reasons import ModelReason
from .resource import AgentResource
from .snapshot import Candidate
from .yaml.document import DocumentError, read_documents

_MAX_PROBLEMS = 50


@dataclass(frozen=True, slots=True)
class Manifests:
    """The content of a file of manifests.

    A file with `problems` is rejected; one with `warnings` is accepted. `ignored` has one line for
    each document that belongs to another program.
    """

    candidates: tuple[Candidate, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    ignored: tuple[str, ...] = ()


def read_manifests(raw: bytes, where: str) -> Manifests:
    """Read a file of manifests. Never raises for bad input: every problem is in the result."""
    try:
        documents = read_documents(raw, where)
    except DocumentError as error:
        return Manifests(problems=(error.problem,))
    spelling = Spelling()
    candidates: list[Candidate] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []
    ignored: list[str] = []
    for number, data in documents:
        try:
            candidate = _candidate(data, where, spelling)
        except MalformedError as error:
            problems += [
                Problem(where, reason, message, number, field)
                for reason, field, message in error.findings
            ]
            if len(problems) >= _MAX_PROBLEMS:
                # Stop here, because each problem is a line in the log.
                problems.append(Problem(where, problems[-1].reason, "and more; mend these first"))
                break
            continue
        if candidate is None:
            kind = clean_text(f"{data.get('apiVersion')}, kind {data.get('kind')}", 120)
            ignored.append(
                f"{where} document {number}: {kind} is not a kind or version that hotpeers reads"
            )
        else:
            candidates.append(candidate)
            warnings += [
                Problem(where, ModelReason.UNKNOWN_FIELD, message, number, field)
                for field, message in _misspelt(candidate.kind, data, spelling)
            ]
    return Manifests(tuple(candidates), tuple(problems), tuple(warnings), tuple(ignored))


def _candidate(data: Any, where: str, spelling: Spelling) -> Candidate | None:
    """The candidate for a document; None if the document belongs to another program."""
    if not isinstance(data, dict):
        raise MalformedError(
            (Nack.WRONG_SHAPE, "", "an object is needed: a manifest or an agent card")
        )
    if looks_like_card(data):
        return _of_card(data, where)
    version, kind = data.get("apiVersion"), data.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        read = {"apiVersion": version, "kind": kind}
        missing = [name for name, value in read.items() if not isinstance(value, str)]
        verb = "are" if len(missing) > 1 else "is"
        message = f"{' and '.join(missing)} {verb} missing, and it is no agent card"
        raise MalformedError((ModelReason.UNKNOWN_KIND, "", message))
    makers: dict[tuple[str, str], tuple[str, Callable[[dict[str, Any], str], Candidate]]] = {
        ("hotpeers.dev", "Peer"): ("v1alpha1", partial(_of_peer, spelling)),
        ("kagent.dev", "Agent"): ("v1alpha2", _of_agent),
    }
    group, _, number = version.partition("/")
    if (group, kind) not in makers:
        if group == "hotpeers.dev":
            shown = clean_text(kind, 80)
            message = f"{shown!r} is not known; Peer is"
            if kind == "SpawnPolicy":
                message = "a SpawnPolicy is no peer: `hotpeers policy explain -f FILE` checks it"
            raise MalformedError((ModelReason.UNKNOWN_KIND, "kind", message))
        return None
    known, maker = makers[group, kind]
    if number != known:
        message = f"{clean_text(version, 80)!r} is not supported; {group}/{known} is"
        raise MalformedError((Nack.UNSUPPORTED_VERSION, "apiVersion", message))
    return maker(data, where)


def _of_peer(spelling: Spelling, data: dict[str, Any], where: str) -> Candidate:
    """The candidate for a `Peer`. Raises `MalformedError` also for unknown fields.

    An API server drops unknown fields when it stores a `Peer`. In a file they are mistakes.
    """
    unknown = [
        (ModelReason.UNKNOWN_FIELD, field, message)
        for field, message in spelling.unknown_in_peer(data)
    ]
    try:
        candidate = candidate_of_peer(data, where)
    except MalformedError as error:
        raise MalformedError(*error.findings, *unknown) from error
    if unknown:
        raise MalformedError(*unknown)
    return candidate


def _misspelt(kind: str, data: dict[str, Any], spelling: Spelling) -> list[Finding]:
    if kind == "Agent":
        return spelling.misspelt_in_agent(data)
    return spelling.misspelt_in_card(data) if kind == "Card" else []


def _of_agent(data: dict[str, Any], where: str) -> Candidate:
    agent = read_view(AgentResource, data)
    url = annotated_url(agent.metadata.annotations)
    return replace(candidate_of_agent(agent, where), url=url)


def _of_card(data: dict[str, Any], where: str) -> Candidate:
    try:
        card: Card = parse_card(data)
    except CardError as error:
        raise MalformedError((error.reason, "", clean_text(str(error), 400))) from error
    if not card.name:
        raise MalformedError((ModelReason.CARD_INVALID, "name", "must not be empty"))
    name = slug_of(card.name)
    url = _home_of(card)
    source = source_of(where, f"Card/{name}")
    placement = place(card.interfaces, url)
    if not placement.interfaces:
        raise MalformedError((ModelReason.INTERFACE_MISSING, "", clean_text(placement.stray, 400)))
    # If the card's name has no Latin letters, the tool name ends with a digest instead: put the name
    # into the description.
    parts = (card.description,) if has_latin(card.name) else (card.name, card.description)
    return Candidate(
        kind="Card",
        name=name,
        source=source,
        uid=str(uuid5(NAMESPACE_URL, source)),
        url=url,
        description=clean_text(": ".join(filter(None, parts))),
        skills=card.skills,
        card_read=True,
        interfaces=placement.interfaces,
    )


def _home_of(card: Card) -> str:
    """The URL of a peer that has only a card: the address of its first interface over HTTP."""
    # A gRPC target is seldom a URL. Without another interface, its host is used.
    by_http = [one.url for one in card.interfaces if one.binding != GRPC]
    url = (by_http or [card.interfaces[0].url])[0]
    if "://" not in url:
        url = f"http://{url}"
    url = url.replace("grpcs://", "https://").replace("grpc://", "http://")
    try:
        return check_peer_url(url)
    except UrlError as error:
        raise MalformedError((Nack.WRONG_SHAPE, "url", str(error))) from error
