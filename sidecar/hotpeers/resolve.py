"""Decides which candidates are offered, in which order, and why the others are not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hotpeers_shim.contract import (
    MAX_FILE_BYTES,
    MAX_PEER_BYTES,
    MAX_PEERS,
    Nack,
    Peer,
    encode_peer,
)

from .card import CardState
from .model.origin import UrlError, origin_of
from .model.selector import Selector
from .model.snapshot import Candidate, CardKey, Snapshot
from .reasons import Reason, Word

_HEAD_BYTES = 4096
_UNKNOWN = CardState()
_NEEDS = {
    "Agent": "this Agent needs the annotation hotpeers.dev/url",
    "Service": "none of several ports is named a2a or has the appProtocol a2a",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator asks for. `home` is the namespace that refers to the peers."""

    selector: Selector = field(default_factory=Selector)
    namespaces: frozenset[str] = frozenset()
    orchestrator: str = ""
    home: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A candidate that is not offered, and why."""

    title: str
    source: str
    reason: Word
    message: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The peers in their order, what was refused, and the cards that are worth reading."""

    peers: tuple[Peer, ...] = ()
    refused: tuple[Refused, ...] = ()
    cards: frozenset[CardKey] = field(default_factory=frozenset)


def resolve(
    snapshot: Snapshot,
    cards: Mapping[CardKey, CardState],
    rules: Rules,
    previous: Sequence[Peer],
) -> Resolution:
    """Resolve a snapshot.

    `previous` are the peers of the peer file as it is: they keep their order, those that cannot be
    looked at now stay, and what an agent card once told stays until that card was read again.
    """
    resolution = _resolve(snapshot, cards, rules, previous, _upper_bound)
    if any(refused.reason is Nack.FILE_TOO_LARGE for refused in resolution.refused):
        resolution = _resolve(snapshot, cards, rules, previous, _size)
    return resolution


def _resolve(
    snapshot: Snapshot,
    cards: Mapping[CardKey, CardState],
    rules: Rules,
    previous: Sequence[Peer],
    size_of: Callable[[Peer], int],
) -> Resolution:
    peers: list[Peer] = []
    refused: list[Refused] = []
    wanted: set[CardKey] = set()
    known = {peer.fingerprint: peer for peer in previous}
    taken: dict[str, str] = {}
    budget = MAX_FILE_BYTES - _HEAD_BYTES
    for item in _ordered(snapshot, rules, previous):
        if isinstance(item, Peer):
            outcome: Peer | Refused = item
        else:
            before = known.get(item.fingerprint)
            early = _ruled_out(item, rules) or _uninvited(item, rules, snapshot, before)
            early = early or _never_ready(item, before)
            if early is None and not item.card_read:
                wanted.add(item.card_key)
            outcome = early or _offer(item, cards, before)
        if isinstance(outcome, Peer):
            size = size_of(outcome)
            if size > MAX_PEER_BYTES:
                size = _size(outcome)
            outcome = _limited(outcome, taken, len(peers), size, budget)
        if isinstance(outcome, Refused):
            refused.append(outcome)
            continue
        taken[outcome.toolName] = outcome.source
        budget -= size
        peers.append(outcome)
    return Resolution(tuple(peers), tuple(refused), frozenset(wanted))


def held_peers(snapshot: Snapshot, rules: Rules, previous: Sequence[Peer]) -> list[Peer]:
    """The peers that stay because what they came from could not be read."""
    if snapshot.complete and not snapshot.unread and not snapshot.unclear:
        return []
    return [
        peer
        for peer in previous
        if (
            not snapshot.complete
            or peer.source in snapshot.unclear
            or peer.source.startswith(snapshot.unread)
        )
        and f"{peer.namespace}/{peer.name}" != rules.orchestrator
        and not (rules.namespaces and peer.namespace not in rules.namespaces)
    ]


def _ordered(
    snapshot: Snapshot, rules: Rules, previous: Sequence[Peer]
) -> Iterable[Candidate | Peer]:
    """By creation time where it is known; then as first seen, so that a new peer comes last."""
    place = {(peer.namespace, peer.name): index for index, peer in enumerate(previous)}
    last = len(previous)
    entries: list[tuple[tuple[object, ...], Candidate | Peer]] = []
    for candidate in snapshot.candidates:
        name = (candidate.namespace, candidate.name)
        if candidate.created is None:
            moment: tuple[int, float] = (1, place.get(name, last))
        else:
            moment = (0, candidate.created)
        entries.append(((*moment, *name, candidate.source), candidate))
    present = {(candidate.namespace, candidate.name) for candidate in snapshot.candidates}
    for peer in held_peers(snapshot, rules, previous):
        name = (peer.namespace, peer.name)
        if name not in present:
            entries.append(((1, place[name], *name, peer.source), peer))
    entries.sort(key=lambda entry: entry[0])
    return (entry[1] for entry in entries)


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
    candidate: Candidate, rules: Rules, snapshot: Snapshot, before: Peer | None
) -> Refused | None:
    """What does not want to be referred to from the namespace of the orchestrator."""
    if candidate.audience is None:
        return None
    admits = candidate.audience.admits(rules.home, candidate.namespace, snapshot.home_labels)
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


def _offer(
    candidate: Candidate, cards: Mapping[CardKey, CardState], before: Peer | None
) -> Peer | Refused:
    state = cards.get(candidate.card_key, _UNKNOWN)
    card = state.card
    description, skills, ready = candidate.description, candidate.skills, candidate.card_read
    if card is not None:
        stray = _stray_url(card.urls, candidate.url)
        if stray:
            return _refuse(candidate, Reason.CARD_ORIGIN_MISMATCH, stray)
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
        return _refuse(candidate, state.reason or Reason.CARD_UNAVAILABLE, message)
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


def _limited(
    peer: Peer, taken: Mapping[str, str], count: int, size: int, budget: int
) -> Peer | Refused:
    title = f"{peer.namespace}/{peer.name}" if peer.namespace else peer.name
    first = taken.get(peer.toolName)
    if first is not None:
        message = f"the tool name {peer.toolName!r} is taken by {first}"
        return Refused(title, peer.source, Reason.NAME_COLLISION, message)
    if count >= MAX_PEERS:
        return Refused(title, peer.source, Nack.TOO_MANY_PEERS, f"the limit is {MAX_PEERS}")
    if size > MAX_PEER_BYTES:
        message = f"{size} bytes; the limit is {MAX_PEER_BYTES}"
        return Refused(title, peer.source, Nack.PEER_TOO_LARGE, message)
    if size > budget:
        message = f"the peer file would be larger than {MAX_FILE_BYTES} bytes"
        return Refused(title, peer.source, Nack.FILE_TOO_LARGE, message)
    return peer


def _size(peer: Peer) -> int:
    """Bytes of a peer in the file, with the comma after it."""
    return len(encode_peer(peer)) + 1


def _upper_bound(peer: Peer) -> int:
    """A number of bytes that the peer stays below, at a tenth of the price of encoding it."""
    length = len(peer.description) + len(peer.url) + len(peer.cardPath) + len(peer.source)
    for skill in peer.skills:
        length += len(skill.id) + len(skill.name) + len(skill.description) + 60
        length += sum(len(tag) + 3 for tag in skill.tags)
    # The worst character is one that JSON writes as \uXXXX; names and fixed text are below 2 kB.
    return 6 * length + 2048


def _refuse(candidate: Candidate, reason: Word, message: str = "") -> Refused:
    return Refused(candidate.title, candidate.source, reason, message)
