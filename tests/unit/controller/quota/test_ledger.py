"""The ledger of a policy: for any history, there are never more agents than slots."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hotpeers.controller.quota.ledger import (
    HOLD_SECONDS,
    MAX_SLOTS,
    Alive,
    LastDenial,
    Ledger,
    LedgerFullError,
    Slot,
    adopted,
    denied,
    departed,
    opened,
    pruned,
    rebuilt,
    release,
    reserve,
    seen,
    usage,
)
from hotpeers.controller.quota.ledger_text import MAX_BYTES, LedgerError, read_ledger, written

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
EMPTY = Ledger("team/policy")
NAMES = ("a/x", "a/y", "b/x", "b/z")
LIMIT, COUNT, WINDOW = 2, 3, 100.0


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def reserved(*agents: str, ledger: Ledger = EMPTY, now: datetime = NOW) -> Ledger:
    for agent in agents:
        ledger = reserve(ledger, agent, now)
    return ledger


class World(RuleBasedStateMachine):
    """An API server with requests on their way, replicas with old ledgers, and those who settle.

    A request that was admitted makes its agent within the hold, or never.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.ledger, self.version = EMPTY, 0
        self.known: dict[int, tuple[Ledger, int]] = {}
        self.requests: list[tuple[str, float, str]] = []
        self.gone: list[tuple[int, str, str]] = []
        self.agents: dict[str, str] = {}
        self.created: list[float] = []
        self.looks: list[tuple[int, str, Slot, str | None, float]] = []
        self.losses = 0
        self.uids = 0

    def store(self, ledger: Ledger, version: int) -> bool:
        if version != self.version:
            return False
        # Every ledger is written to text and read back.
        self.ledger, self.version = read_ledger(written(ledger)), version + 1
        return True

    @rule(seconds=st.sampled_from([0.4, 3.0, 40.0, HOLD_SECONDS + 2, WINDOW]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.requests = [one for one in self.requests if self.now - one[1] <= 60.0]

    @rule(replica=st.integers(0, 1))
    def replica_reads(self, replica: int) -> None:
        self.known[replica] = (self.ledger, self.version)

    @rule(
        replica=st.integers(0, 1),
        agent=st.sampled_from(NAMES),
        behind=st.sampled_from([0, 2]),
        named=st.booleans(),
    )
    def replica_admits(self, replica: int, agent: str, behind: float, named: bool = True) -> None:
        ledger, version = self.known.get(replica, (self.ledger, self.version))
        moment = at(self.now - behind)
        used = usage(ledger, agent, moment, WINDOW)
        recent = [one for one in used.created if one > moment - timedelta(seconds=WINDOW)]
        if used.alive >= LIMIT or len(recent) >= COUNT:
            return
        # An API server names an object before it asks; who asks without it is a test's or an older one's.
        self.uids += 1
        uid = f"{self.uids:08d}-uid" if named else ""
        after = pruned(reserve(ledger, agent, moment, uid), moment, WINDOW)
        if self.store(after, version):
            self.requests.append((agent, self.now, uid))
            self.created.append(self.now)
            self.known[replica] = (self.ledger, self.version)
        else:
            self.known.pop(replica, None)

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def request_arrives(self, data: Any) -> None:
        agent, _, uid = self.requests.pop(data.draw(st.integers(0, len(self.requests) - 1)))
        if agent not in self.agents:
            self.uids += 1
            self.agents[agent] = uid or f"{self.uids:08d}-uid"

    @precondition(lambda self: self.requests)
    @rule()
    def request_fails(self) -> None:
        self.requests.pop()

    @precondition(lambda self: self.agents)
    @rule(data=st.data())
    def agent_is_deleted(self, data: Any) -> None:
        agent = data.draw(st.sampled_from(sorted(self.agents)))
        self.gone.append((self.losses, agent, self.agents.pop(agent)))

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def departure_is_written(self, data: Any) -> None:
        """When a watch reports it, and again by another replica."""
        losses, agent, uid = data.draw(st.sampled_from(self.gone))
        if losses == self.losses:
            self.store(departed(self.ledger, agent, [uid, "another-uid"]), self.version)

    @precondition(lambda self: self.ledger.slots)
    @rule(data=st.data())
    def somebody_looks(self, data: Any) -> None:
        agent = data.draw(st.sampled_from(sorted(self.ledger.slots)))
        uid = self.agents.get(agent)
        self.looks.append((self.losses, agent, self.ledger.slots[agent], uid, self.now))

    @precondition(lambda self: self.looks)
    @rule(data=st.data())
    def what_was_seen_is_written(self, data: Any) -> None:
        look = self.looks.pop(data.draw(st.integers(0, len(self.looks) - 1)))
        losses, agent, before, uid, then = look
        if losses != self.losses:
            return  # it was another object
        if uid is None:
            after = release(self.ledger, agent, before, at(then))
        else:
            after = seen(self.ledger, agent, before, uid, at(then))
        self.store(after, self.version)

    @rule(replica=st.integers(0, 1))
    def ledger_is_lost(self, replica: int) -> None:
        known, _ = self.known.get(replica, (None, 0))
        alive = {name: Alive(uid, at(self.now)) for name, uid in self.agents.items()}
        after = rebuilt("team/policy", alive, known, at(self.now))
        if not after.held:
            return  # nobody could have told that there was one; see docs/decisions/spawn-counts.md
        # All that is held back is over before anything is admitted.
        for agent, *_ in self.requests:
            self.agents.setdefault(agent, f"late-{agent}")
        self.requests.clear()
        alive = {name: Alive(uid, at(self.now)) for name, uid in self.agents.items()}
        self.now += HOLD_SECONDS + 2
        after = opened(after, alive, at(self.now))
        assert not after.held
        self.ledger, self.version = after, self.version + 1
        self.losses += 1
        # The creations of agents that are gone went with the ledger.
        self.created.clear()

    @invariant()
    def every_agent_has_a_slot(self) -> None:
        coming = {agent for agent, *_ in self.requests}
        assert self.agents.keys() | coming <= self.ledger.slots.keys()

    @invariant()
    def no_window_has_more(self) -> None:
        recent = [one for one in self.created if one > self.now - WINDOW + 3]
        assert len(recent) <= COUNT


World.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestWorld = World.TestCase


def test_model_world_fails_when_the_ledger_forgets_a_slot() -> None:
    """A world in which a slot is freed too early does not hold: the test can fail."""
    world = World()
    world.replica_admits(0, "a/x", 0)
    world.ledger = replace(world.ledger, slots=MappingProxyType({}))
    with pytest.raises(AssertionError):
        world.every_agent_has_a_slot()


def test_slot_of_the_same_name_is_shared() -> None:
    ledger = reserved("a/x", "a/x", "a/y")
    assert set(ledger.slots) == {"a/x", "a/y"}
    assert ledger.slots["a/x"].pending == ("", "")
    assert usage(ledger, "a/x", NOW).alive == 1
    assert usage(ledger, "a/z", NOW).alive == 2


def test_each_admission_counts_for_the_rate() -> None:
    """Otherwise creating and deleting one name repeatedly would be free."""
    assert len(usage(reserved("a/x", "a/x"), "a/x", NOW, 60).created) == 2


def test_slot_that_was_seen_is_free_at_once() -> None:
    ledger = reserved("a/x")
    ledger = seen(ledger, "a/x", ledger.slots["a/x"], "12345678-9", NOW)
    assert ledger.slots["a/x"] == Slot(1, uid="12345678")
    assert not release(ledger, "a/x", ledger.slots["a/x"], NOW).slots


@pytest.mark.parametrize("admissions", [1, 2])
def test_slot_of_an_open_admission_is_held(admissions: int) -> None:
    ledger = reserved(*["a/x"] * (admissions + 1))
    for number in range(admissions):
        ledger = seen(ledger, "a/x", ledger.slots["a/x"], f"uid-{number}", NOW)
    before = ledger.slots["a/x"]
    assert before.pending == ("",)
    assert release(ledger, "a/x", before, at(HOLD_SECONDS)) is ledger
    assert not release(ledger, "a/x", before, at(HOLD_SECONDS + 1)).slots
    settled = seen(ledger, "a/x", before, before.uid, at(HOLD_SECONDS + 1))
    assert settled.slots["a/x"].pending == ()


def test_agent_that_is_seen_twice_settles_one_admission() -> None:
    ledger = reserved("a/x", "a/x")
    for _ in range(2):
        ledger = seen(ledger, "a/x", ledger.slots["a/x"], "uid-1", NOW)
    assert ledger.slots["a/x"].pending == ("",)


def test_agent_that_came_and_went_frees_its_slot_at_once() -> None:
    """Its slot was held for 67 seconds."""
    ledger = reserve(EMPTY, "a/x", NOW, "11111111-uid")
    assert not departed(ledger, "a/x", ["11111111-uid"]).slots
    assert departed(ledger, "a/x", ["22222222-uid"]) is ledger
    assert departed(ledger, "a/y", ["11111111-uid"]) is ledger


def test_departure_frees_nothing_of_another_admission_of_the_name() -> None:
    ledger = reserve(reserve(EMPTY, "a/x", NOW, "11111111-uid"), "a/x", NOW, "22222222-uid")
    ledger = departed(ledger, "a/x", ["11111111-uid"])
    assert ledger.slots["a/x"].pending == ("22222222",)
    assert not departed(ledger, "a/x", ["22222222-uid"]).slots
    seen_alive = seen(ledger, "a/x", ledger.slots["a/x"], "22222222-uid", NOW)
    assert departed(seen_alive, "a/x", ["11111111-uid"]) is seen_alive
    assert not departed(seen_alive, "a/x", ["22222222-uid"]).slots


def test_name_that_is_tried_for_ever_can_always_be_read() -> None:
    """Something later refuses it each time, and its caller tries again."""
    ledger = EMPTY
    for number in range(1_000):
        ledger = pruned(reserve(ledger, "a/x", at(number), f"{number:08d}-uid"), at(number), 60)
    assert len(ledger.slots["a/x"].pending) < 300
    assert read_ledger(written(ledger)) == ledger


def test_agent_of_another_uid_settles_no_admission() -> None:
    ledger = reserve(EMPTY, "a/x", NOW, "11111111-uid")
    ledger = seen(ledger, "a/x", ledger.slots["a/x"], "33333333-uid", NOW)
    assert ledger.slots["a/x"].pending == ("11111111",)


@pytest.mark.parametrize("what", ["release", "seen"])
def test_outdated_observation_does_not_change_the_ledger(what: str) -> None:
    ledger = reserved("a/x")
    old = ledger.slots["a/x"]
    ledger = reserve(ledger, "a/x", NOW)
    later = at(HOLD_SECONDS * 2)
    if what == "release":
        assert release(ledger, "a/x", old, later) is ledger
    else:
        assert seen(ledger, "a/x", old, "uid", later) is ledger


def test_look_from_before_the_agent_does_not_free_it() -> None:
    """Nothing was there; then the agent came, and was seen by another."""
    ledger = reserved("a/x")
    before = ledger.slots["a/x"]
    ledger = seen(ledger, "a/x", before, "uid", NOW)
    assert release(ledger, "a/x", before, NOW) is ledger


def test_clock_of_a_ledger_never_runs_backwards() -> None:
    ledger = reserve(reserved("a/x", now=at(30)), "a/y", NOW)
    assert ledger.created == (int(at(30).timestamp()),) * 2
    assert ledger.slots["a/y"].at == ledger.clock == int(at(30).timestamp())


def test_pruning_keeps_the_window_and_drops_older_creations() -> None:
    times = tuple(int(at(second).timestamp()) for second in range(2000))
    ledger = replace(EMPTY, created=times, clock=times[-1])
    now = at(1999)
    assert pruned(ledger, now, 1000).created == times[1000:]
    # A window that is made longer finds a few more.
    assert pruned(ledger, now, 10).created == times[1500:]
    assert pruned(ledger, now + timedelta(days=31), 10).created == ()


@given(
    gaps=st.lists(st.integers(0, 400), max_size=700),
    window=st.integers(1, 3000),
    later=st.integers(0, 5000),
)
def test_pruning_never_changes_the_counts(gaps: list[int], window: int, later: int) -> None:
    times, moment = [], int(NOW.timestamp())
    for gap in gaps:
        times.append(moment := moment + gap)
    ledger = replace(EMPTY, created=tuple(times), clock=moment)
    now = datetime.fromtimestamp(moment + later, UTC)
    assert usage(pruned(ledger, now, window), "a/x", now, window) == usage(
        ledger, "a/x", now, window
    )


names = st.from_regex(r"[a-z][-a-z0-9]{0,20}/[a-z][-a-z0-9]{0,20}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    agents=st.lists(names, max_size=12),
    retain=st.booleans(),
    told=st.none() | st.builds(LastDenial, texts, texts, texts, texts, texts, texts, texts, texts),
    uid=st.sampled_from(["", "0123456789"]),
)
def test_ledger_survives_a_round_trip(
    agents: list[str], retain: bool, told: LastDenial | None, uid: str
) -> None:
    ledger = reserved(*agents)
    for agent in agents[::2]:
        ledger = seen(ledger, agent, ledger.slots[agent], uid, NOW)
    ledger = denied(ledger, 3, told)
    ledger = replace(ledger, deletion_policy="Retain" if retain else "Delete", held=7)
    assert read_ledger(written(ledger)) == ledger


def change(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda data: {**data, **fields}


@pytest.mark.parametrize(
    "garble",
    [
        lambda _: None,
        lambda _: [],
        lambda _: {},
        lambda data: {key: one for key, one in data.items() if key != "alive"},
        change(v=2),
        change(more=1),
        change(policy=None),
        change(admissions=0),
        change(clock=0),
        change(clock=True),
        change(denials=-1),
        change(denials=1.5),
        change(held=2**60),
        change(created="123"),
        change(created=[-1]),
        change(created=[1] * 10_001),
        change(deletionPolicy="Perhaps"),
        change(alive={"a": {"x": [1]}}),
        change(alive={"a": {"x": [1, "uid", [], 0]}}),
        change(alive={"a": {"x": [1, "uid", 1, 0]}}),
        change(alive={"a": {"x": [1, "uid", ["too long uid"], 0]}}),
        change(alive={"a": {"x": [1, "too long uid"]}}),
        change(alive={"a": {"x": [1, ""], "y": [1, ""]}}),
        change(alive={"a": {"": [1, ""]}}),
        change(alive={"a/b": {"x": [1, ""]}}),
        change(alive=[]),
        change(lastDenial={"time": "now"}),
    ],
)
def test_garbled_ledger_is_refused(garble: Callable[[dict[str, Any]], Any]) -> None:
    with pytest.raises(LedgerError):
        read_ledger(json.dumps(garble(json.loads(written(reserved("a/x"))))))


def test_ledger_with_a_duplicate_key_is_refused() -> None:
    text = written(reserved("a/x"))
    assert read_ledger(text)
    with pytest.raises(LedgerError, match="twice"):
        read_ledger(f'{text[:-1]},"alive":{{}}}}')


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"v":1,"v":1}', '{"v":NaN}', " " * (MAX_BYTES + 1)]
)
def test_malformed_ledger_text_is_refused(text: str) -> None:
    with pytest.raises(LedgerError):
        read_ledger(text)


def test_ten_thousand_creations_and_slots_fit() -> None:
    window = 30 * 86_400
    start = int(NOW.timestamp()) - window
    times = tuple(start + number * window // 10_000 for number in range(10_000))
    slots = {
        f"{'n' * 63}/{number:040d}": Slot(number, ("76543210",), times[-1], "01234567")
        for number in range(MAX_SLOTS)
    }
    ledger = replace(EMPTY, created=times, clock=times[-1], admissions=MAX_SLOTS)
    assert len(written(ledger)) < 50_000
    text = written(replace(ledger, slots=MappingProxyType(slots)))
    assert len(text) > MAX_BYTES // 2
    assert len(read_ledger(text).slots) == MAX_SLOTS


def test_full_ledger_takes_no_other_name_and_can_be_written() -> None:
    clock = int(NOW.timestamp())

    def filled(count: int, digits: int) -> Ledger:
        names = (f"{'n' * 63}/{number:0{digits}d}" for number in range(count))
        slots = {name: Slot(at, ("76543210",), clock, "01234567") for at, name in enumerate(names)}
        times = tuple(clock - 299 * number for number in reversed(range(10_000)))
        told = LastDenial("t", message="m" * 1024)
        parts = MappingProxyType(slots)
        return Ledger("a/p", parts, times, 99_999_999, clock, last_denial=told)

    for count, digits in ((8_100, 63), (MAX_SLOTS - 1, 40)):
        ledger = reserve(filled(count, digits), "a/x", NOW)
        assert read_ledger(written(ledger)) == ledger
    for count, digits in ((8_200, 63), (MAX_SLOTS, 1)):
        ledger = filled(count, digits)
        with pytest.raises(LedgerFullError):
            reserve(ledger, "a/x", NOW)
        assert reserve(ledger, next(iter(ledger.slots)), NOW).admissions == 100_000_000


def test_new_ledger_admits_at_once() -> None:
    assert rebuilt("team/policy", {}, None, NOW).held == 0


def test_lost_ledger_is_rebuilt_and_held() -> None:
    alive = {"a/x": Alive("uid-x", at(-50)), "a/y": Alive("uid-y", at(-40))}
    known = reserved("a/y", "a/z")
    ledger = rebuilt("team/policy", alive, known, NOW)
    assert set(ledger.slots) == {"a/x", "a/y", "a/z"}
    assert ledger.held == int(at(HOLD_SECONDS).timestamp())
    # Who is alive was created, and counts for the rate as of then.
    assert ledger.created == (int(at(-50).timestamp()), *known.created)
    assert opened(ledger, {}, at(HOLD_SECONDS)) is ledger
    late = {**alive, "a/late": Alive("uid-l", at(1))}
    after = opened(ledger, late, at(HOLD_SECONDS + 1))
    assert after.held == 0
    assert set(after.slots) == {"a/x", "a/y", "a/z", "a/late"}
    assert read_ledger(written(after)) == after


def test_ledger_that_a_replica_knew_is_held_with_no_agent_alive() -> None:
    known = reserved("a/x")
    assert rebuilt("team/policy", {}, known, NOW).held > NOW.timestamp()
    # Requests admitted long ago are no longer pending, but still count for the window.
    after = rebuilt("team/policy", {}, known, at(HOLD_SECONDS + 1), recent=False)
    assert after.held == 0
    assert (after.slots, after.created) == (known.slots, known.created)


def test_adopting_an_agent_with_a_slot_changes_nothing() -> None:
    ledger = reserved("a/x")
    assert adopted(ledger, {"a/x": Alive("uid", NOW)}) is ledger


def test_later_denial_is_kept() -> None:
    first, second = LastDenial("2026-11-01T12:00:00Z"), LastDenial("2026-11-01T12:00:01Z")
    ledger = denied(denied(EMPTY, 2, second), 3, first)
    assert (ledger.denials, ledger.last_denial) == (5, second)
