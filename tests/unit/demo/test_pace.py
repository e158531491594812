"""The time limits of the demonstration follow the speed of the machine."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from hotpeers_demo.pace import MOST, Pace, measure_slowness
from hotpeers_demo.processes import WaitedTooLongError


class Machine:
    """Answers measurements with these factors, one after the other."""

    def __init__(self, *factors: float) -> None:
        self._factors: Iterator[float] = iter(factors)
        self.measured = 0

    async def __call__(self) -> float:
        self.measured += 1
        return next(self._factors)


def after(calls: int) -> Callable[[], "asyncio.Future[bool | None]"]:
    """A probe that answers at its last call."""
    left = calls

    async def probe() -> bool | None:
        nonlocal left
        left -= 1
        return True if left <= 0 else None

    return probe  # type: ignore[return-value]


async def never() -> bool | None:
    return None


async def test_wait_within_its_limit_measures_nothing() -> None:
    machine = Machine()
    assert await Pace(measure=machine).until("it", after(1), 5)
    assert machine.measured == 0


async def test_limit_grows_on_a_slow_machine() -> None:
    machine = Machine(MOST)
    pace = Pace(measure=machine)
    # It needs three pauses, which are longer than the limit of an ordinary machine.
    assert await pace.until("it", after(3), 0.01)
    assert machine.measured == 1
    assert pace.factor == MOST


async def test_limit_holds_on_an_ordinary_machine() -> None:
    with pytest.raises(WaitedTooLongError, match=r"^it: not within 0 s$"):
        await Pace(measure=Machine(1.1)).until("it", never, 0.01)


async def test_wait_ends_on_a_slow_machine_too_and_says_how_slow_it_is() -> None:
    machine = Machine(2.0, 3.0, 3.1)
    pace = Pace(measure=machine)
    with pytest.raises(WaitedTooLongError, match="this machine is 3 times slower than usual"):
        await pace.until("it", never, 0.01)
    assert machine.measured == 3


async def test_factor_has_a_maximum() -> None:
    pace = Pace(measure=Machine(1000.0, 1000.0))
    with pytest.raises(WaitedTooLongError):
        await pace.until("it", never, 0.001)
    assert pace.factor == MOST


async def test_work_that_takes_too_long_is_cancelled() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(WaitedTooLongError):
        await Pace(measure=Machine(1.0)).within("work", work(), 0.01)
    assert ended.is_set()


async def test_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        await Pace(measure=Machine()).within("work", work(), 5)


async def test_spinner_is_told_what_is_waited_for() -> None:
    told: list[str] = []
    await Pace(told.append, Machine()).until("the ack", after(1), 5)
    assert told == ["the ack", ""]


async def test_this_machine_is_measured() -> None:
    assert 0 < await measure_slowness() <= MOST
