"""Decides whether one candidate is offered, and with which values as a peer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotpeers_shim.contract import Interface, Peer

from ...base.origin import Origin, origin_of
from ...base.reasons import Word
from ...model.cards.endpoint import place
from ...model.cluster import agent_url
from ...model.reasons import ModelReason
from ...model.selector import Selector
from ...model.snapshot import Candidate
from ..cards.reader import CardState
from ..reasons import SidecarReason

_NEEDS = {
    "Agent": "this Agent needs the annotation hotpeers.dev/url",
    "Service": "none of several ports is named a2a or has the appProtocol a2a",
}
_UNVERIFIED = (SidecarReason.CARD_UNSIGNED, SidecarReason.CARD_SIGNATURE_BAD)
_UNUSABLE = (ModelReason.CARD_INVALID, ModelReason.INTERFACE_MISSING)


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's rules. `home` is the namespace of the orchestrator, which refers to the peers.

    `user_headers_to` are the origins that may get the headers that identify the user, besides kagent's
    own Agents. With `require_signed`, a peer is offered only if its agent card was verified.
    """

    selector: Selector = field(default_factory=Selector)
    namespaces: frozenset[str] = frozenset()
    orchestrator: str = ""
    home: str = ""
    user_headers_to: frozenset[Origin] = frozenset()
    require_signed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A candidate that is not offered, and why. `by_card` is True if its agent card is the cause."""

    title: str
    source: str
    reason: Word
    message: str = ""
    by_card: bool = False


def decide(
    candidate: Candidate,
    state: CardState,
    rules: Rules,
    home_labels: Mapping[str, str] | None,
    before: Peer | None,
) -> Peer | Refused:
    """Decide about one candidate, independently of the others.

    `state` is the state of its agent card. `before` is its peer in the current peer file. If something
    cannot be read, that peer stays, with the data of the card as last read.
    """
    return (
        _ruled_out(candidate, rules)
        or _uninvited(candidate, rules, home_labels, before)
        or _never_ready(candidate, before)
        or _unsigned(candidate, state, rules, before)
        or _offer(candidate, state, rules, before)
    )


def wants_card(candidate: Candidate, outcome: Peer | Refused) -> bool:
    """Whether to read the agent card of a candidate."""
    if candidate.card_read:
        return False
    return isinstance(outcome, Peer) or outcome.by_card


def _ruled_out(candidate: Candidate, rules: Rules) -> Refused | None:
    """The refusal for reasons that do not depend on the agent card; None without one."""
    if rules.orchestrator and rules.orchestrator == f"{candidate.namespace}/{candidate.name}":
        return _refuse(candidate, SidecarReason.IS_ORCHESTRATOR)
    if rules.namespaces and candidate.namespace not in rules.namespaces:
        allowed = ", ".join(sorted(rules.namespaces))
        message = f"namespace {candidate.namespace!r} is not one of: {allowed}"
        return _refuse(candidate, SidecarReason.NAMESPACE_NOT_ALLOWED, message)
    if not rules.selector.matches(candidate.labels):
        return _refuse(candidate, SidecarReason.NOT_SELECTED, f"selector {rules.selector.text!r}")
    if not candidate.url:
        return _refuse(candidate, SidecarReason.URL_MISSING, _NEEDS.get(candidate.kind, ""))
    return None


def _uninvited(
    candidate: Candidate,
    rules: Rules,
    home_labels: Mapping[str, str] | None,
    before: Peer | None,
) -> Refused | None:
    """The refusal if the candidate does not admit the orchestrator's namespace; None otherwise."""
    if candidate.audience is None:
        return None
    admits = candidate.audience.admits(rules.home, candidate.namespace, home_labels)
    if admits or (admits is None and before is not None):
        return None
    message = f"it does not allow namespace {rules.home!r} to refer to it"
    if admits is None:
        message = f"it goes by the labels of namespace {rules.home!r}, which were not read"
    return _refuse(candidate, SidecarReason.NAMESPACE_NOT_INVITED, message)


def _never_ready(candidate: Candidate, before: Peer | None) -> Refused | None:
    """The refusal if the status says not ready and the candidate is not in the peer file yet."""
    if candidate.ready is False and before is None:
        return _refuse(candidate, SidecarReason.NOT_READY, "its condition Ready is not True yet")
    return None


def takes_user_headers(candidate: Candidate, listed: frozenset[Origin]) -> bool:
    """Whether the headers that identify the user may be sent to a peer.

    They are sent to a kagent Agent at the address of its own Service or at kagent's gateway, as
    kagent does, and to the origins that the operator `listed`. An Agent whose annotation has another
    address is not trusted: its author must not be able to redirect a user's token.
    """
    origin = origin_of(candidate.url)
    if candidate.gateway or origin in listed:
        return True
    if candidate.kind != "Agent" or not candidate.namespace:
        return False
    return origin == origin_of(agent_url(candidate.namespace, candidate.name))


def _unsigned(
    candidate: Candidate, state: CardState, rules: Rules, before: Peer | None
) -> Refused | None:
    """The refusal if the card was not verified; None otherwise.

    A card in a file needs no signature, because the operator put it there.
    """
    if not rules.require_signed or candidate.card_read:
        return None
    if state.reason in _UNVERIFIED:
        return _refuse(candidate, state.reason, state.message, by_card=True)
    verified = state.card is not None or (before is not None and before.interfaces)
    return None if verified else _card_missing(candidate, state)


def _card_missing(candidate: Candidate, state: CardState) -> Refused:
    reason = state.reason or SidecarReason.CARD_UNAVAILABLE
    return _refuse(candidate, reason, state.message or "not read yet", by_card=True)


def _offer(
    candidate: Candidate, state: CardState, rules: Rules, before: Peer | None
) -> Peer | Refused:
    card = state.card
    description, skills, ready = candidate.description, candidate.skills, candidate.card_read
    interfaces: tuple[Interface, ...] = candidate.interfaces
    if card is not None:
        placement = place(
            card.interfaces, candidate.url, pinned=candidate.pinned, gateway=candidate.gateway
        )
        if not placement.interfaces:
            message = placement.stray
            return _refuse(candidate, SidecarReason.CARD_ORIGIN_MISMATCH, message, by_card=True)
        interfaces = placement.interfaces
        description = description or card.description
        skills = card.skills or skills
        ready = state.ready
    elif not candidate.card_read and before is not None:
        # After a restart the card was not read yet: use its data from the peer file.
        interfaces = before.interfaces
        description = description or before.description
        skills = before.skills or skills
        ready = before.ready and not state.failures
    if candidate.ready is not None:
        # For readiness, the object's own status outweighs a card that could not be fetched. But it
        # does not replace the interfaces, nor make an unusable card usable.
        ready = candidate.ready and bool(interfaces) and (ready or state.reason not in _UNUSABLE)
    unknown = card is None and before is None and not candidate.card_read
    # Without a description the model cannot choose the peer; without a usable card, the peer cannot
    # be called.
    if unknown and (not description or state.reason in _UNUSABLE):
        return _card_missing(candidate, state)
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
        interfaces=interfaces,
    )


def _refuse(
    candidate: Candidate, reason: Word, message: str = "", *, by_card: bool = False
) -> Refused:
    return Refused(candidate.title, candidate.source, reason, message, by_card)
