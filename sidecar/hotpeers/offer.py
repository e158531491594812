"""Decides of one candidate whether it is offered, and as which peer. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hotpeers_shim.contract import Peer

from .card import CardState
from .model.cluster import agent_url
from .model.origin import Origin, UrlError, origin_of
from .model.selector import Selector
from .model.snapshot import Candidate
from .reasons import Reason, Word

_NEEDS = {
    "Agent": "this Agent needs the annotation hotpeers.dev/url",
    "Service": "none of several ports is named a2a or has the appProtocol a2a",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator asks for. `home` is the namespace that refers to the peers.

    `user_headers_to` are the origins of peers that may know the user, besides kagent's own Agents.
    """

    selector: Selector = field(default_factory=Selector)
    namespaces: frozenset[str] = frozenset()
    orchestrator: str = ""
    home: str = ""
    user_headers_to: frozenset[Origin] = frozenset()


@dataclass(frozen=True, slots=True)
class Refused:
    """A candidate that is not offered, and why. `by_card` where its agent card is the reason."""

    title: str
    source: str
    reason: Word
    message: str = ""
    by_card: bool = False


def judge(
    candidate: Candidate,
    state: CardState,
    rules: Rules,
    home_labels: Mapping[str, str] | None,
    before: Peer | None,
) -> Peer | Refused:
    """Judge one candidate by itself.

    `state` is that of its card. `before` is what it is in the peer file now: what cannot be looked
    at stays, and what an agent card once told stays until that card was read again.
    """
    return (
        _ruled_out(candidate, rules)
        or _uninvited(candidate, rules, home_labels, before)
        or _never_ready(candidate, before)
        or _offer(candidate, state, before, rules)
    )


def wants_card(candidate: Candidate, outcome: Peer | Refused) -> bool:
    """Whether the agent card of a candidate is worth reading."""
    if candidate.card_read:
        return False
    return isinstance(outcome, Peer) or outcome.by_card


def _ruled_out(candidate: Candidate, rules: Rules) -> Refused | None:
    """What needs no agent card to be said."""
    if rules.orchestrator and rules.orchestrator == f"{candidate.namespace}/{candidate.name}":
        return _refuse(candidate, Reason.IS_ORCHESTRATOR)
    if rules.namespaces and candidate.namespace not in rules.namespaces:
        allowed = ", ".join(sorted(rules.namespaces))
        message = f"namespace {candidate.namespace!r} is not one of: {allowed}"
        return _refuse(candidate, Reason.NAMESPACE_NOT_ALLOWED, message)
    if not rules.selector.matches(candidate.labels):
        return _refuse(candidate, Reason.NOT_SELECTED, f"selector {rules.selector.text!r}")
    if not candidate.url:
        return _refuse(candidate, Reason.URL_MISSING, _NEEDS.get(candidate.kind, ""))
    return None


def _uninvited(
    candidate: Candidate,
    rules: Rules,
    home_labels: Mapping[str, str] | None,
    before: Peer | None,
) -> Refused | None:
    """What does not want to be referred to from the namespace of the orchestrator."""
    if candidate.audience is None:
        return None
    admits = candidate.audience.admits(rules.home, candidate.namespace, home_labels)
    if admits or (admits is None and before is not None):
        return None
    message = f"it does not allow namespace {rules.home!r} to refer to it"
    if admits is None:
        message = f"it goes by the labels of namespace {rules.home!r}, which were not read"
    return _refuse(candidate, Reason.NAMESPACE_NOT_INVITED, message)


def _never_ready(candidate: Candidate, before: Peer | None) -> Refused | None:
    """What says of itself that it is not ready, and was not before either."""
    if candidate.ready is False and before is None:
        return _refuse(candidate, Reason.NOT_READY, "its condition Ready is not True yet")
    return None


def takes_user_headers(candidate: Candidate, listed: frozenset[Origin]) -> bool:
    """Whether the headers that identify the user may be sent to a peer.

    They go to a kagent Agent at the address of its own Service, as kagent sends them, and to the
    origins that the operator `listed`. An Agent whose annotation names any other address is a
    stranger: its author must not be able to redirect a user's token.
    """
    origin = origin_of(candidate.url)
    if origin in listed:
        return True
    if candidate.kind != "Agent" or not candidate.namespace:
        return False
    return origin == origin_of(agent_url(candidate.namespace, candidate.name))


def _offer(
    candidate: Candidate, state: CardState, before: Peer | None, rules: Rules
) -> Peer | Refused:
    card = state.card
    description, skills, ready = candidate.description, candidate.skills, candidate.card_read
    if card is not None:
        stray = _stray_url(card.urls, candidate.url)
        if stray:
            return _refuse(candidate, Reason.CARD_ORIGIN_MISMATCH, stray, by_card=True)
        description = description or card.description
        skills = card.skills or skills
        ready = state.ready
    elif not candidate.card_read and before is not None:
        # After a restart nothing of it was read yet: what its card told before still stands.
        description = description or before.description
        skills = before.skills or skills
        ready = before.ready and not state.failures
    if candidate.ready is not None:
        ready = candidate.ready
    if not description and card is None and before is None:
        message = state.message or "not read yet"
        reason = state.reason or Reason.CARD_UNAVAILABLE
        return _refuse(candidate, reason, message, by_card=True)
    return Peer(
        name=candidate.name,
        namespace=candidate.namespace,
        uid=candidate.uid,
        toolName=candidate.tool,
        description=description,
        url=candidate.url,
        cardPath=candidate.card_path,
        timeout=candidate.timeout,
        skills=skills,
        ready=ready,
        fingerprint=candidate.fingerprint,
        source=candidate.source,
        userHeaders=takes_user_headers(candidate, rules.user_headers_to),
    )


def _stray_url(urls: Iterable[str], home: str) -> str:
    """Tell which address leaves the origin of `home`, or "" if none does."""
    origin = origin_of(home)
    for url in urls:
        try:
            if origin_of(url) == origin:
                continue
        except UrlError as error:
            return f"the card names an address that is no URL: {error}"
        return f"the card sends calls to {origin_of(url)}, the peer's URL is at {origin}"
    return ""


def _refuse(
    candidate: Candidate, reason: Word, message: str = "", *, by_card: bool = False
) -> Refused:
    return Refused(candidate.title, candidate.source, reason, message, by_card)
