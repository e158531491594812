"""Which candidates become peers, in which order, and why the others do not."""

from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies

from hotpeers.base.reasons import Reason, Word
from hotpeers.model.audience import Audience
from hotpeers.model.cards.card import Card
from hotpeers.model.reasons import ModelReason
from hotpeers.model.selector import parse_selector
from hotpeers.model.snapshot import Candidate, Snapshot
from hotpeers.sidecar.cards.reader import CardState
from hotpeers.sidecar.reasons import SidecarReason
from hotpeers.sidecar.resolve.cache import Cache
from hotpeers.sidecar.resolve.eligibility import Rules
from hotpeers.sidecar.resolve.resolver import resolve
from hotpeers.sidecar.resolve.rows import Resolution
from hotpeers_shim.contract import MAX_PEERS, Interface, Nack, Peer, Skill


def candidate(name: str, **fields: object) -> Candidate:
    values: dict[str, object] = {
        "kind": "Peer",
        "name": name,
        "namespace": "default",
        "source": f"{name}.yaml#Peer/default/{name}",
        "url": f"http://{name}:8080",
        "description": f"Does {name}",
        **fields,
    }
    return Candidate(**values)  # type: ignore[arg-type]


def card(name: str = "weather", *, url: str = "", description: str = "From the card") -> Card:
    interfaces = (Interface(url or f"http://{name}:8080/rpc", "JSONRPC", "0.3"),)
    return Card(name, description, (Skill("forecast"),), interfaces)


def run(
    *candidates: Candidate,
    cards: dict[tuple[str, str], CardState] | None = None,
    rules: Rules | None = None,
    previous: tuple[Peer, ...] = (),
    **snapshot: object,
) -> Resolution:
    whole = Snapshot(candidates, **snapshot)  # type: ignore[arg-type]
    return resolve(whole, cards or {}, rules or Rules(), previous)


def names(resolution: Resolution) -> list[str]:
    return [peer.name for peer in resolution.peers]


def reasons(resolution: Resolution) -> dict[str, Word]:
    return {refused.title: refused.reason for refused in resolution.refused}


def test_described_candidate_is_offered_before_its_card_is_read() -> None:
    found = run(candidate("weather", timeout=30.0, card_path="/card"))
    (peer,) = found.peers
    assert (peer.toolName, peer.description) == ("default__NS__weather", "Does weather")
    assert (peer.ready, peer.timeout, peer.skills) == (False, 30.0, ())
    assert found.cards == {("http://weather:8080", "/card")}


def test_card_makes_ready_and_brings_skills_but_not_over_the_description() -> None:
    weather = candidate("weather")
    (peer,) = run(weather, cards={weather.card_key: CardState(card())}).peers
    assert (peer.ready, peer.description, peer.skills) == (
        True,
        "Does weather",
        (Skill("forecast"),),
    )


def test_undescribed_candidate_waits_for_its_card() -> None:
    weather = candidate("weather", description="")
    waiting = run(weather)
    assert reasons(waiting) == {"default/weather": SidecarReason.CARD_UNAVAILABLE}
    assert waiting.cards == {weather.card_key}
    failing = CardState(failures=1, reason=ModelReason.CARD_INVALID, message="not JSON")
    refused = run(weather, cards={weather.card_key: failing}).refused[0]
    assert (refused.reason, refused.message) == (ModelReason.CARD_INVALID, "not JSON")
    (peer,) = run(weather, cards={weather.card_key: CardState(card())}).peers
    assert peer.description == "From the card"


def test_peer_stays_through_an_outage_of_its_card() -> None:
    weather = candidate("weather", description="")
    away = CardState(card(), failures=2, reason=SidecarReason.CARD_UNAVAILABLE)
    (peer,) = run(weather, cards={weather.card_key: away}).peers
    assert (peer.ready, peer.description) == (False, "From the card")


def test_one_lost_request_is_no_outage() -> None:
    weather = candidate("weather")
    (peer,) = run(weather, cards={weather.card_key: CardState(card(), failures=1)}).peers
    assert peer.ready


def test_restart_keeps_the_text_of_the_last_card() -> None:
    weather = candidate("weather", description="")
    before = run(weather, cards={weather.card_key: CardState(card())}).peers
    assert run(weather, previous=before).peers == before
    failing = {weather.card_key: CardState(failures=1, reason=SidecarReason.CARD_UNAVAILABLE)}
    assert run(weather, cards=failing, previous=before).peers == (replace(before[0], ready=False),)


def test_card_of_another_definition_is_not_reused() -> None:
    weather = candidate("weather", description="")
    before = run(weather, cards={weather.card_key: CardState(card())}).peers
    moved = candidate("weather", description="", url="http://elsewhere:1")
    assert reasons(run(moved, previous=before)) == {
        "default/weather": SidecarReason.CARD_UNAVAILABLE
    }


@pytest.mark.parametrize(
    ("home", "named"),
    [
        ("http://weather:8080", "http://evil:8080"),
        ("http://weather:8080", "https://weather:8080"),
        ("http://weather:8080", "http://weather:8081"),
        ("http://weather:8080", "http://weather:8080@evil"),
        ("http://weather:8080", "http://weather:8080\\@evil"),
        ("http://weather", "http://weather.evil"),
        ("http://weather", "http://weather:99999"),
        ("http://weather", "ftp://weather"),
        ("http://weather", "//evil/relative"),
        ("http://weather", "weather.evil/rpc"),
    ],
)
def test_card_of_another_origin_is_refused(home: str, named: str) -> None:
    weather = candidate("weather", url=home)
    found = run(weather, cards={weather.card_key: CardState(card(url=named))})
    assert reasons(found) == {"default/weather": SidecarReason.CARD_ORIGIN_MISMATCH}
    assert found.cards == {weather.card_key}, "it must be read again, or it would never come back"


@pytest.mark.parametrize(
    ("home", "named"),
    [
        ("http://weather", "http://weather:80/rpc"),
        ("https://weather:443/a", "https://weather/b"),
        ("http://Weather:8080", "http://weather:8080/"),
        ("http://[::1]:8080", "http://[::1]:8080/rpc"),
    ],
)
def test_same_origin_written_differently_is_taken(home: str, named: str) -> None:
    weather = candidate("weather", url=home)
    assert names(run(weather, cards={weather.card_key: CardState(card(url=named))})) == ["weather"]


@pytest.mark.parametrize(
    ("rules", "fields", "reason"),
    [
        (
            Rules(parse_selector("tier=gold")),
            {"labels": {"tier": "tin"}},
            SidecarReason.NOT_SELECTED,
        ),
        (Rules(namespaces=frozenset({"team"})), {}, SidecarReason.NAMESPACE_NOT_ALLOWED),
        (Rules(orchestrator="default/weather"), {}, SidecarReason.IS_ORCHESTRATOR),
        (Rules(), {"url": "", "kind": "Agent"}, SidecarReason.URL_MISSING),
    ],
)
def test_rule_refuses(rules: Rules, fields: dict[str, object], reason: Reason) -> None:
    found = run(candidate("weather", **fields), rules=rules)
    assert reasons(found) == {"default/weather": reason}
    assert not found.cards, "the card of what is ruled out is of no use"


def test_candidate_that_matches_the_rules_is_a_peer() -> None:
    rules = Rules(parse_selector("tier in (gold)"), frozenset({"default"}), "default/concierge")
    assert names(run(candidate("weather", labels={"tier": "gold"}), rules=rules)) == ["weather"]


def test_collision_keeps_the_first_by_order() -> None:
    found = run(candidate("a_b"), candidate("a-b"), candidate("a.b"))
    assert names(found) == ["a-b"]
    assert set(reasons(found).values()) == {SidecarReason.NAME_COLLISION}
    assert "a-b.yaml" in found.refused[0].message


def test_collision_keeps_the_live_peer() -> None:
    before = run(candidate("a_b")).peers
    assert names(run(candidate("a-b"), candidate("a_b"), previous=before)) == ["a_b"]


def test_older_wins_a_collision() -> None:
    found = run(candidate("a-b", created=200.0), candidate("a_b", created=100.0))
    assert names(found) == ["a_b"]


def test_order_is_creation_then_first_seen_then_name() -> None:
    before = run(candidate("z")).peers
    found = run(
        candidate("b"),
        candidate("a"),
        candidate("z"),
        candidate("new", created=20.0),
        candidate("old", created=10.0),
        candidate("older-name", created=10.0),
        previous=before,
    )
    assert names(found) == ["old", "older-name", "new", "z", "a", "b"]


def test_result_does_not_depend_on_the_order_of_the_candidates() -> None:
    candidates = [candidate(name) for name in ("d", "a", "c", "a-x", "a_x", "b")]
    assert run(*candidates) == run(*reversed(candidates))


def test_incomplete_snapshot_removes_no_peer() -> None:
    before = run(candidate("a"), candidate("b")).peers
    assert run(complete=False, previous=before).peers == before


def test_only_peers_of_an_unread_file_are_kept() -> None:
    before = run(candidate("a"), candidate("b")).peers
    assert names(run(previous=before, unread=("b.yaml#",))) == ["b"]
    rules = Rules(orchestrator="default/b")
    assert names(run(previous=before, unread=("b.yaml#",), rules=rules)) == []
    elsewhere = Rules(namespaces=frozenset({"team"}))
    assert names(run(previous=before, unread=("b.yaml#",), rules=elsewhere)) == []


def test_card_file_is_offered_without_a_request() -> None:
    found = run(candidate("weather", kind="Card", namespace="", card_read=True))
    assert (found.peers[0].ready, found.peers[0].toolName) == (True, "weather")
    assert not found.cards


def test_newest_are_refused_above_the_number_of_peers() -> None:
    before = run(*(candidate(f"p{n}") for n in range(MAX_PEERS))).peers
    assert len(before) == MAX_PEERS
    everything = [candidate(f"p{n}") for n in range(MAX_PEERS)]
    found = run(candidate("a-new-one"), *everything, previous=before)
    assert reasons(found) == {"default/a-new-one": Nack.TOO_MANY_PEERS}
    assert found.peers == before


def test_oversized_peer_is_refused_and_others_are_kept() -> None:
    skills = tuple(Skill(str(n), description="x" * 4000) for n in range(20))
    found = run(candidate("big", skills=skills), candidate("small"))
    assert reasons(found) == {"default/big": Nack.PEER_TOO_LARGE}
    assert names(found) == ["small"]


def test_newest_are_refused_above_the_size_of_the_file() -> None:
    skills = tuple(Skill(str(n), description="ü" * 2000) for n in range(15))
    crowd = [candidate(f"p{n:03}", skills=skills, created=float(n)) for n in range(150)]
    found = run(*crowd)
    assert {refused.reason for refused in found.refused} == {Nack.FILE_TOO_LARGE}
    count = len(found.peers)
    assert names(found) == [f"p{n:03}" for n in range(count)]
    assert 130 < count < 140, "8 MiB hold 139 peers of 60 kB"


# -- rules of a cluster


def test_only_an_agent_that_was_ready_stays_a_peer_while_unready() -> None:
    waiting = candidate("weather", ready=False)
    assert reasons(run(waiting)) == {"default/weather": SidecarReason.NOT_READY}
    assert run(waiting).cards == frozenset()
    (unread,) = run(replace(waiting, ready=True)).peers
    assert not unread.ready, "nothing says yet how it is called"
    read = {waiting.card_key: CardState(card())}
    (up,) = run(replace(waiting, ready=True), cards=read).peers
    assert up.ready
    (down,) = run(waiting, previous=(up,)).peers
    assert (down.ready, down.fingerprint) == (False, up.fingerprint)
    again = replace(waiting, uid="another")
    assert reasons(run(again, previous=(up,))) == {"default/weather": SidecarReason.NOT_READY}


def test_ready_condition_overrides_the_state_of_the_card() -> None:
    ready = candidate("weather", ready=True)
    away = CardState(card(), failures=9, reason=SidecarReason.CARD_UNAVAILABLE)
    assert run(ready, cards={ready.card_key: away}).peers[0].ready
    stray = CardState(card(url="http://evil:8080"))
    refused = run(ready, cards={ready.card_key: stray})
    assert reasons(refused) == {"default/weather": SidecarReason.CARD_ORIGIN_MISMATCH}
    assert refused.cards == {ready.card_key}


def test_agent_is_offered_only_where_it_allows_it() -> None:
    own = candidate("weather", audience=Audience())
    assert names(run(own, rules=Rules(home="default"))) == ["weather"]
    other = run(own, rules=Rules(home="other"))
    assert reasons(other) == {"default/weather": SidecarReason.NAMESPACE_NOT_INVITED}
    everyone = candidate("weather", audience=Audience(everyone=True))
    assert names(run(everyone, rules=Rules(home="other"))) == ["weather"]


def test_unknown_namespace_labels_keep_the_live_peers() -> None:
    picky = candidate("weather", audience=Audience(selector=parse_selector("team=sky")))
    rules = Rules(home="other")
    (peer,) = run(picky, rules=rules, home_labels={"team": "sky"}).peers
    assert reasons(run(picky, rules=rules)) == {
        "default/weather": SidecarReason.NAMESPACE_NOT_INVITED
    }
    assert names(run(picky, rules=rules, previous=(peer,))) == ["weather"]
    moved = run(picky, rules=rules, previous=(peer,), home_labels={})
    assert reasons(moved) == {"default/weather": SidecarReason.NAMESPACE_NOT_INVITED}


def test_service_without_a_port_is_refused() -> None:
    refused = run(candidate("web", kind="Service", url="")).refused[0]
    assert refused.reason is SidecarReason.URL_MISSING
    assert "port" in refused.message


def test_unclear_source_matches_by_its_whole_name() -> None:
    both = (candidate("a", source="Agent/ns/a"), candidate("ab", source="Agent/ns/ab"))
    previous = run(*both).peers
    assert names(run(previous=previous, unclear=frozenset({"Agent/ns/a"}))) == ["a"]
    assert names(run(previous=previous, unread=("Agent/ns/",))) == ["a", "ab"]


STATES = [
    CardState(card()),
    CardState(failures=3, reason=ModelReason.CARD_INVALID, message="no"),
]
AUDIENCES = [None, Audience(), Audience(selector=parse_selector("team=sky"))]


def draw_candidate(
    data: strategies.DataObject, number: int, created: tuple[object, ...]
) -> Candidate:
    """Few names and files, so that names collide, and texts up to one that is too large."""
    of = strategies.sampled_from
    # `a.b` and `a-b` give the same tool name.
    name, file = data.draw(of(["a", "b", "a.b", "a-b"])), data.draw(of("fg"))
    return candidate(
        name,
        source=f"{file}#Peer/default/{name}",
        description=data.draw(of(["", "same", f"d{number}", "x" * 70_000])),
        created=data.draw(of(created)),
        ready=data.draw(of([None, True, False])),
        uid=data.draw(of(["1", "2"])),
        audience=data.draw(of(AUDIENCES)),
    )


@settings(max_examples=150, deadline=None)
@given(data=strategies.data())
def test_cache_never_changes_the_result(data: strategies.DataObject) -> None:
    """Each resolution of a random history with one cache equals that without a cache.

    The list of peers may stay behind, as after a write that failed, or hold equal copies.
    """
    of = strategies.sampled_from
    cache, previous, lists = Cache(), (), [()]
    rules = Rules(
        home=data.draw(of(["default", "other"])), require_signed=data.draw(of([True, False]))
    )
    created = data.draw(of([(1.0,), (1.0, 2.0), (None, 1.0)]))
    there: dict[str, Candidate] = {}
    cards: dict[tuple[str, str], CardState] = {}
    labels = None
    for number in range(data.draw(strategies.integers(1, 12))):
        made = draw_candidate(data, number, created)
        match data.draw(of(["put", "put", "drop", "card", "copy", "labels"])):
            case "put":
                there[made.source] = made
            case "drop":
                there.pop(made.source, None)
            case "card":
                cards = {**cards, made.card_key: data.draw(of(STATES))}
            case "copy":
                there = {source: replace(one) for source, one in there.items()}
            case _:
                labels = data.draw(of([None, {}, {"team": "sky"}]))
        now = Snapshot(
            tuple(there.values()),
            unread=data.draw(of([(), ("f#",)])),
            unclear=data.draw(of([frozenset(), frozenset({"g#Peer/default/a"})])),
            complete=data.draw(of([True, True, False])),
            home_labels=labels,
        )
        match data.draw(of(["last", "last", "older", "copy"])):
            case "older":
                previous = data.draw(of(lists))
            case "copy":
                previous = tuple(replace(peer) for peer in previous)
        found = resolve(now, cards, rules, previous, cache)
        assert found == resolve(now, cards, rules, previous)
        # Unchanged means the same object.
        earlier = {peer.fingerprint: peer for peer in previous}
        for peer in found.peers:
            last = earlier.get(peer.fingerprint)
            assert peer is last or peer != last
        assert found.peers is previous or found.peers != previous
        previous = found.peers
        lists.append(previous)


def test_unchanged_peers_and_lists_are_the_same_objects() -> None:
    cache, cards = Cache(), {}
    one, other = candidate("a", description="one"), candidate("b", description="other")
    first = resolve(Snapshot((one, other)), cards, Rules(), (), cache).peers
    # An equal candidate that is another object, as after a new list of the API server.
    again = resolve(Snapshot((replace(one), replace(other))), cards, Rules(), first, cache).peers
    assert again is first
    changed = candidate("b", description="changed")
    after = resolve(Snapshot((one, changed)), cards, Rules(), again, cache).peers
    assert after[0] is first[0]
    assert after[1] is not first[1]


@pytest.mark.parametrize("reason", [ModelReason.INTERFACE_MISSING, ModelReason.CARD_INVALID])
def test_described_candidate_without_an_interface_is_refused(reason: Reason) -> None:
    weather = candidate("weather", ready=True)
    found = run(weather, cards={weather.card_key: CardState(None, 1, reason, "why")})
    assert reasons(found) == {"default/weather": reason}
    assert found.cards == {weather.card_key}


def test_ready_peer_has_an_interface_on_its_origin() -> None:
    weather = candidate("weather", ready=True)
    (peer,) = run(weather, cards={weather.card_key: CardState(card(url="localhost:9/rpc"))}).peers
    assert peer.ready
    assert [one.url for one in peer.interfaces] == ["http://weather:8080/rpc"]
    failing = {weather.card_key: CardState(None, 2, ModelReason.INTERFACE_MISSING)}
    (kept,) = run(weather, cards=failing, previous=(peer,)).peers
    assert (kept.ready, kept.interfaces) == (False, peer.interfaces)


def test_pinned_peer_takes_only_paths_from_its_card() -> None:
    public = CardState(card(url="https://public.example/a2a"))
    weather = candidate("weather", pinned=True)
    (peer,) = run(weather, cards={weather.card_key: public}).peers
    assert [one.url for one in peer.interfaces] == ["http://weather:8080/a2a"]


def test_unverified_card_is_no_peer_where_signatures_are_required() -> None:
    rules = Rules(require_signed=True)
    weather = candidate("weather")
    assert reasons(run(weather, rules=rules)) == {"default/weather": SidecarReason.CARD_UNAVAILABLE}
    verified = {weather.card_key: CardState(card())}
    before = run(weather, cards=verified, rules=rules).peers
    assert [peer.ready for peer in before] == [True]
    assert run(weather, rules=rules, previous=before).peers == before, "a restart loses nothing"
    (bare,) = run(weather).peers
    unverified = run(weather, rules=rules, previous=(bare,))
    assert reasons(unverified) == {"default/weather": SidecarReason.CARD_UNAVAILABLE}
    for reason in (SidecarReason.CARD_UNSIGNED, SidecarReason.CARD_SIGNATURE_BAD):
        for known in (None, card()):
            state = {weather.card_key: CardState(known, 1, reason, "why")}
            found = run(weather, cards=state, rules=rules, previous=before)
            assert reasons(found) == {"default/weather": reason}
            assert found.cards == {weather.card_key}
    lost = {weather.card_key: CardState(card(), 2, SidecarReason.CARD_KEYS_UNREADABLE)}
    assert len(run(weather, cards=lost, rules=rules, previous=before).peers) == 1


def test_card_in_a_file_needs_no_signature() -> None:
    written = candidate("weather", card_read=True, interfaces=card().interfaces)
    (peer,) = run(written, rules=Rules(require_signed=True)).peers
    assert peer.ready
    assert peer.interfaces == written.interfaces


def from_file(file: str, name: str = "weather", **fields: object) -> Candidate:
    fields = {"source": f"{file}#Peer/default/{name}", "url": f"http://{file}", **fields}
    return candidate(name, **fields)


def test_newcomer_in_another_file_does_not_take_the_name_of_a_live_peer() -> None:
    live, newcomer = from_file("weather.yaml"), from_file("another.yaml")
    before = run(live).peers
    found = run(newcomer, live, previous=before)
    assert [peer.source for peer in found.peers] == [live.source]
    (refused,) = found.refused
    assert (refused.source, refused.reason) == (newcomer.source, SidecarReason.NAME_COLLISION)
    assert live.source in refused.message


def test_newcomer_does_not_take_the_name_of_a_peer_whose_file_cannot_be_read() -> None:
    live, newcomer = from_file("weather.yaml"), from_file("another.yaml")
    before = run(live).peers
    found = run(newcomer, previous=before, unread=("weather.yaml#",))
    assert [peer.source for peer in found.peers] == [live.source]
    assert reasons(found) == {"default/weather": SidecarReason.NAME_COLLISION}


def test_name_is_free_once_its_file_is_gone() -> None:
    live, newcomer = from_file("weather.yaml"), from_file("another.yaml")
    found = run(newcomer, previous=run(live).peers)
    assert [peer.source for peer in found.peers] == [newcomer.source]


def test_peer_may_become_another_kind_in_its_own_file() -> None:
    live, newcomer = from_file("weather.yaml"), from_file("another.yaml")
    changed = from_file("weather.yaml", kind="Agent", source="weather.yaml#Agent/default/weather")
    found = run(newcomer, changed, previous=run(live).peers)
    assert [peer.source for peer in found.peers] == [changed.source]


def test_newcomer_of_another_name_does_not_take_the_tool_of_a_live_peer() -> None:
    live, newcomer = from_file("z.yaml", "a.b"), from_file("a.yaml", "a-b")
    assert live.tool == newcomer.tool
    found = run(newcomer, live, previous=run(live).peers)
    assert [peer.source for peer in found.peers] == [live.source]
    assert reasons(found) == {"default/a-b": SidecarReason.NAME_COLLISION}


def test_first_file_of_a_name_wins_without_a_live_peer() -> None:
    found = run(from_file("b.yaml"), from_file("a.yaml"))
    assert [peer.source for peer in found.peers] == ["a.yaml#Peer/default/weather"]
