"""When agent processes count as late with a change of the peer file."""

from hotpeers.sidecar.acks.lateness import Lateness
from hotpeers.sidecar.acks.reader import Acks
from hotpeers_shim.contract import Ack, AckState


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def acks(*generations: int | None, state: AckState = AckState.ACTIVE) -> Acks:
    return Acks(
        tuple(
            Ack(pid=pid, state=state, generation=generation)
            for pid, generation in enumerate(generations, 1)
        )
    )


def look(
    late: Lateness, clock: Clock, generation: int, heard: Acks, seconds: int = 200
) -> list[str]:
    """One look each second. Returns what was reported."""
    found = []
    for _ in range(seconds):
        clock.now += 1.0
        found.append(late.look(generation, heard))
    return [text for text in found if text]


def test_late_process_is_reported_once_and_again_after_it_was_up_to_date() -> None:
    clock = Clock()
    late = Lateness(clock=clock)
    assert look(late, clock, 3, acks(3, 3)) == []
    (text,) = look(late, clock, 4, acks(4, 3))
    assert text == "generation 4 is not live after 60 s in process 2 (generation 3)"
    assert look(late, clock, 5, acks(5, 3)) == []
    assert look(late, clock, 5, acks(5, 5)) == []
    assert len(look(late, clock, 6, acks(5, 6))) == 1


def test_process_that_never_loaded_a_file_is_late() -> None:
    clock = Clock()
    (text,) = look(Lateness(clock=clock), clock, 1, acks(None))
    assert "process 1 (generation 0)" in text


def test_steady_stream_of_changes_makes_no_process_late() -> None:
    clock = Clock()
    late = Lateness(clock=clock)
    for generation in range(1, 300):
        clock.now += 1.0
        assert late.look(generation, acks(generation - 1)) == ""


def test_processes_that_say_what_is_wrong_are_not_late() -> None:
    clock = Clock()
    late = Lateness(clock=clock)
    for state in (AckState.REFUSED, AckState.ERROR):
        assert look(late, clock, 9, acks(3, state=state)) == []
    assert look(late, clock, 9, Acks()) == []


def test_many_late_processes_are_counted() -> None:
    clock = Clock()
    (text,) = look(Lateness(clock=clock), clock, 2, acks(*[1] * 20))
    assert text.endswith("process 5 (generation 1) and 15 more")
