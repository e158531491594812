"""Few changes are taken into the last resolution, and the result is that of a full one."""

from dataclasses import replace

from hypothesis import given, settings, strategies

from hotpeers.model.snapshot import Candidate, Snapshot
from hotpeers.sidecar.cards.reader import CardState
from hotpeers.sidecar.resolve.cache import Cache
from hotpeers.sidecar.resolve.eligibility import Rules
from hotpeers.sidecar.resolve.resolver import resolve
from hotpeers.sidecar.resolve.update import Base, update
from unit.sidecar.resolve.test_resolve import STATES, candidate

Cards = dict[tuple[str, str], CardState]


def start(*there: Candidate) -> Base:
    """A resolution whose peers are in the peer file."""
    cache = Cache()
    peers = resolve(Snapshot(there), {}, Rules(), (), cache).peers
    resolve(Snapshot(there), {}, Rules(), peers, cache)
    assert cache.base is not None
    return cache.base


def after(base: Base, *there: Candidate, cards: Cards | None = None) -> Base | None:
    known = base.cards if cards is None else cards
    return update(base, Snapshot(there), known, Rules(), base.resolution.peers)


A, B = candidate("a", created=1.0), candidate("b", created=2.0)


def test_changed_description_is_an_update_that_keeps_the_base() -> None:
    base = start(A, B)
    changed = after(base, A, replace(B, description="Changed"))
    assert changed is not None
    assert [peer.description for peer in changed.resolution.peers] == ["Does a", "Changed"]
    assert changed.resolution.peers[0] is base.resolution.peers[0]
    assert [peer.description for peer in base.resolution.peers] == ["Does a", "Does b"]


def test_changed_card_is_an_update() -> None:
    changed = after(start(A, B), A, B, cards={A.card_key: CardState(failures=1)})
    assert changed is not None


def test_unchanged_candidates_give_the_same_resolution() -> None:
    base = start(A, B)
    same = after(base, A, B)
    assert same is not None
    assert same.resolution is base.resolution


def test_change_beyond_one_row_needs_a_full_resolution() -> None:
    base = start(A, B)
    assert after(base, A) is None
    assert after(base, A, B, candidate("c", created=3.0)) is None
    assert after(base, A, candidate("c", created=2.0)) is None
    assert after(base, A, replace(B, created=0.5)) is None
    assert after(base, A, replace(B, created=None)) is None
    assert after(base, A, replace(B, url="")) is None
    assert after(base, A, replace(B, description="x" * 80_000)) is None
    assert (
        update(base, Snapshot((A, B), home_labels={}), base.cards, Rules(), base.resolution.peers)
        is None
    )
    assert (
        update(base, Snapshot((A, B), complete=False), base.cards, Rules(), base.resolution.peers)
        is None
    )
    assert update(base, Snapshot((A, B)), base.cards, Rules(), ()) is None


def test_resolution_that_depends_on_other_rows_is_not_cached() -> None:
    for there in (
        (A, replace(B, created=None)),
        (A, replace(B, card_read=True)),
        (A, candidate("a", created=2.0, source="other#Peer/default/a")),
    ):
        cache = Cache()
        resolve(Snapshot(there), {}, Rules(), (), cache)
        assert cache.base is None


@settings(max_examples=200, deadline=None)
@given(data=strategies.data())
def test_update_equals_a_full_resolution(data: strategies.DataObject) -> None:
    of = strategies.sampled_from
    there = [
        candidate(name, created=data.draw(of([1.0, 2.0]))) for name in ("a", "b", "c.d", "c-d")
    ]
    there = there[: data.draw(strategies.integers(1, 4))]
    cards: Cards = {}
    cache, previous = Cache(), ()
    for number in range(data.draw(strategies.integers(1, 12))):
        at = data.draw(strategies.integers(0, len(there) - 1))
        match data.draw(
            of(["describe", "describe", "ready", "uid", "card", "url", "large", "none"])
        ):
            case "describe":
                there[at] = replace(there[at], description=data.draw(of(["", f"d{number}"])))
            case "ready":
                there[at] = replace(there[at], ready=data.draw(of([None, True, False])))
            case "uid":
                there[at] = replace(there[at], uid=data.draw(of(["1", "2"])))
            case "card":
                cards = {**cards, there[at].card_key: data.draw(of(STATES))}
            case "url":
                there[at] = replace(there[at], url=data.draw(of(["", "http://other:8080"])))
            case "large":
                there[at] = replace(there[at], description="x" * data.draw(of([9, 60_000, 70_000])))
        now = Snapshot(tuple(there))
        base = cache.base
        found = resolve(now, cards, Rules(), previous, cache)
        assert found == resolve(now, cards, Rules(), previous)
        updated = base and update(base, now, cards, Rules(), previous)
        if updated is not None:
            assert updated.resolution == found
        # A write that fails leaves the file behind.
        previous = found.peers if data.draw(of([True, True, False])) else previous
