"""Manifests as candidates: a `Peer`, a kagent `Agent`, an agent card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

from pydantic import ValidationError

from hotpeers_shim.contract import MAX_URL, Nack, clean_text

from ..reasons import Reason, Word
from .card import Card, CardError, clean_skills, looks_like_card, parse_card, slug_of
from .document import DocumentError, read_documents
from .origin import UrlError, check_peer_url
from .resource import URL_ANNOTATION, AgentResource, Metadata, PeerResource, View, check_card_path
from .snapshot import Candidate, Problem

_V = TypeVar("_V", bound=View)


@dataclass(frozen=True, slots=True)
class Manifests:
    """What a file holds: candidates, or problems, and a line on each document that is not ours."""

    candidates: tuple[Candidate, ...] = ()
    problems: tuple[Problem, ...] = ()
    ignored: tuple[str, ...] = ()


class _MalformedError(Exception):
    """One document is not what its kind asks for."""

    def __init__(self, *findings: tuple[Word, str, str]) -> None:
        super().__init__(str(findings))
        self.findings = findings


def read_manifests(raw: bytes, where: str) -> Manifests:
    """Read a file of manifests. Never raises for bad input: every problem is in the result."""
    try:
        documents = read_documents(raw, where)
    except DocumentError as error:
        return Manifests(problems=(error.problem,))
    candidates: list[Candidate] = []
    problems: list[Problem] = []
    ignored: list[str] = []
    for number, data in documents:
        try:
            candidate = _candidate(data, where)
        except _MalformedError as error:
            problems += [
                Problem(where, reason, message, number, field)
                for reason, field, message in error.findings
            ]
            continue
        if candidate is None:
            kind = clean_text(f"{data.get('apiVersion')}, kind {data.get('kind')}", 120)
            ignored.append(f"{where} document {number}: {kind} is none of ours")
        else:
            candidates.append(candidate)
    return Manifests(tuple(candidates), tuple(problems), tuple(ignored))


def _candidate(data: Any, where: str) -> Candidate | None:
    """The candidate of a document; None where it is some other program's object."""
    if not isinstance(data, dict):
        raise _MalformedError(
            (Nack.WRONG_SHAPE, "", "an object is needed: a manifest or an agent card")
        )
    if looks_like_card(data):
        return _of_card(data, where)
    version, kind = data.get("apiVersion"), data.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        raise _MalformedError(
            (Reason.UNKNOWN_KIND, "", "apiVersion and kind are missing, and it is no agent card")
        )
    makers: dict[tuple[str, str], tuple[str, Callable[[dict[str, Any], str], Candidate]]] = {
        ("hotpeers.dev", "Peer"): ("v1alpha1", _of_peer),
        ("kagent.dev", "Agent"): ("v1alpha2", _of_agent),
    }
    group, _, number = version.partition("/")
    if (group, kind) not in makers:
        if group == "hotpeers.dev":
            shown = clean_text(kind, 80)
            raise _MalformedError((Reason.UNKNOWN_KIND, "kind", f"{shown!r} is not known; Peer is"))
        return None
    known, maker = makers[group, kind]
    if number != known:
        message = f"{clean_text(version, 80)!r} is not supported; {group}/{known} is"
        raise _MalformedError((Nack.UNSUPPORTED_VERSION, "apiVersion", message))
    return maker(data, where)


def _of_peer(data: dict[str, Any], where: str) -> Candidate:
    peer = _view(PeerResource, data)
    spec = peer.spec
    try:
        check_card_path(spec.url, spec.cardPath)
    except ValueError as error:
        raise _MalformedError((Nack.WRONG_SHAPE, "spec.cardPath", str(error))) from error
    return Candidate(
        **_identity(peer.metadata, "Peer", where),
        url=spec.url,
        card_path=spec.cardPath,
        description=clean_text(spec.description),
        timeout=spec.timeout,
    )


def _of_agent(data: dict[str, Any], where: str) -> Candidate:
    agent = _view(AgentResource, data)
    url = agent.metadata.annotations.get(URL_ANNOTATION, "")
    try:
        if url:
            check_peer_url(url)
    except UrlError as error:
        field = f"metadata.annotations[{URL_ANNOTATION}]"
        raise _MalformedError((Nack.WRONG_SHAPE, field, str(error))) from error
    declarative = agent.spec.declarative
    config = declarative.a2aConfig if declarative else None
    return Candidate(
        **_identity(agent.metadata, "Agent", where),
        url=url,
        description=clean_text(agent.spec.description),
        skills=clean_skills(
            (skill.id, skill.name, skill.description, skill.tags)
            for skill in (config.skills if config else ())
        ),
    )


def _of_card(data: dict[str, Any], where: str) -> Candidate:
    try:
        card: Card = parse_card(data)
    except CardError as error:
        raise _MalformedError((Reason.CARD_INVALID, "", clean_text(str(error), 400))) from error
    name = slug_of(card.name)
    if not name:
        raise _MalformedError(
            (Nack.WRONG_SHAPE, "name", "holds no letter or digit to name a tool by")
        )
    try:
        url = check_peer_url(card.urls[0])
    except UrlError as error:
        raise _MalformedError((Nack.WRONG_SHAPE, "url", str(error))) from error
    source = _source(where, f"Card/{name}")
    return Candidate(
        kind="Card",
        name=name,
        source=source,
        uid=str(uuid5(NAMESPACE_URL, source)),
        url=url,
        description=card.description,
        skills=card.skills,
        card_read=True,
    )


def _identity(metadata: Metadata, kind: str, where: str) -> dict[str, Any]:
    title = f"{metadata.namespace}/{metadata.name}" if metadata.namespace else metadata.name
    source = _source(where, f"{kind}/{title}")
    created = metadata.creationTimestamp
    return {
        "kind": kind,
        "name": metadata.name,
        "namespace": metadata.namespace or "",
        "uid": clean_text(metadata.uid or "", 253) or str(uuid5(NAMESPACE_URL, source)),
        "labels": metadata.labels,
        "created": created.timestamp() if created else None,
        "source": source,
    }


def _source(where: str, what: str) -> str:
    return clean_text(f"{where}#{what}", MAX_URL)


def _view(kind: type[_V], data: dict[str, Any]) -> _V:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        findings = [
            (
                Nack.WRONG_SHAPE,
                clean_text(_path(item["loc"]), 200),
                clean_text(_message(dict(item)), 300),
            )
            for item in error.errors(include_url=False)[:20]
        ]
        raise _MalformedError(*findings) from error


def _message(item: dict[str, Any]) -> str:
    if item["type"] == "missing":
        return "is missing"
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    text = str(item["msg"]).removeprefix("Input should be ")
    needed = text.removeprefix("a valid ").removeprefix("a ")
    given = "null" if item["input"] is None else type(item["input"]).__name__
    return f"{needed} is needed, not {given}" if text != item["msg"] else text


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        # Pydantic names the branch of a union, which is no field of the file.
        if isinstance(part, str) and ("[" in part or part in ("str", "datetime")):
            continue
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path
