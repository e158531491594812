"""A wait is bounded, and says what it waited for and what it saw last."""

import asyncio

import pytest

from kit.waiting import TookTooLongError, until, until_async

MESSAGE = r"waited 0\.05 s for the moon to fall; last value: 0$"


def test_first_truthy_value_is_returned() -> None:
    values = iter([None, 0, "", "up"])
    assert until("it to be up", lambda: next(values), 60.0) == "up"


def test_timeout_names_what_was_awaited_and_the_last_value() -> None:
    with pytest.raises(TookTooLongError, match=MESSAGE):
        until("the moon to fall", lambda: 0, 0.05)


async def test_async_timeout_names_what_was_awaited_and_the_last_value() -> None:
    with pytest.raises(TookTooLongError, match=MESSAGE):
        await until_async("the moon to fall", lambda: 0, 0.05)


def test_timeout_fails_a_test_as_an_assert_does() -> None:
    assert issubclass(TookTooLongError, AssertionError)


def test_error_of_the_probe_ends_the_wait() -> None:
    with pytest.raises(ZeroDivisionError):
        until("an answer", lambda: 1 / 0, 60.0)


async def test_event_loop_goes_on_while_it_waits() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, event.set)
    assert await until_async("the event", event.is_set, 60.0)


async def test_collection_that_changes_under_the_probe_is_read_again() -> None:
    failures = iter([RuntimeError("dictionary changed size during iteration")])

    def probe() -> bool:
        for failure in failures:
            raise failure
        return True

    assert await until_async("a quiet moment", probe, 60.0)


async def test_other_runtime_error_of_the_probe_ends_the_wait() -> None:
    def probe() -> bool:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        await until_async("an answer", probe, 60.0)
