"""A request for a slot: its first decision, and the decision that holds."""

import asyncio

import pytest

from hotpeers.controller.quota.ledgers import CountsError
from hotpeers.controller.quota.reservation import Reservation, Waiting
from hotpeers.controller.reasons import ControllerReason
from hotpeers.spawnpolicy.decision import Decision

YES, NO = Decision(allowed=True, policy="team/policy"), Decision(allowed=False)


def asked(bound: float = 30.0) -> tuple[Waiting, Reservation]:
    loop = asyncio.get_running_loop()
    futures = loop.create_future(), loop.create_future()
    waiting = Waiting("team/agent", "", lambda _: YES, False, *futures)
    return waiting, Reservation(waiting, ("team/policy",), bound)


async def test_expected_decision_is_available_before_the_final_one() -> None:
    waiting, slot = asked()
    waiting.expect(YES)
    assert await slot.expected() == YES
    assert not waiting.answer.done()
    waiting.tell(NO)
    assert await slot.decided() == NO


async def test_final_decision_is_also_the_expected_one() -> None:
    waiting, slot = asked()
    waiting.tell(NO)
    assert await slot.expected() == NO
    assert await slot.decided() == NO


@pytest.mark.parametrize("after_the_first", [False, True])
async def test_failure_is_raised_once_and_takes_no_slot(after_the_first: bool) -> None:
    waiting, slot = asked()
    if after_the_first:
        waiting.expect(YES)
    waiting.fail(CountsError("no", ControllerReason.LEDGER_BAD))
    with pytest.raises(CountsError, match="no"):
        await slot.decided()
    assert waiting.answer.done()


@pytest.mark.parametrize("expected", [False, True])
async def test_request_that_waits_too_long_takes_no_slot(expected: bool) -> None:
    waiting, slot = asked(bound=0.01)
    if expected:
        waiting.expect(YES)
    with pytest.raises(CountsError, match="not decided") as caught:
        await slot.decided()
    assert caught.value.reason is ControllerReason.COUNTS_BUSY
    assert waiting.answer.cancelled()


async def test_request_that_is_cancelled_takes_no_slot() -> None:
    waiting, slot = asked()
    task = asyncio.create_task(slot.decided())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waiting.answer.cancelled()
