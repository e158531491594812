"""Hostile requests at a real API server: none has an effect, although RBAC allows everything."""

from collections.abc import Iterator

import pytest

from cluster.admission import everything
from cluster.admission.attempts import attempts
from cluster.admission.outcome import By, at_once, attempt, listed
from cluster.admission.scene import Scene
from cluster.admission.world import difference, world
from kit.apiserver.client import Api

ATTEMPTS = attempts()


@pytest.fixture(autouse=True)
def _unchanged(guarded: Scene, lead: Api) -> Iterator[None]:
    """The stored objects are the same before and after each test."""
    before = world(guarded.api)
    yield
    assert difference(before, world(guarded.api)) == {}


def test_corpus_has_at_least_200_requests() -> None:
    assert len(ATTEMPTS) >= 200


def test_no_hostile_request_is_admitted(lead: Api) -> None:
    outcomes = at_once(lambda _, one: attempt(lead, one), ATTEMPTS)
    wrong = [name for name, one in outcomes.items() if one.by is not ATTEMPTS[name].by]
    assert not wrong, listed(outcomes, wrong)


def test_nothing_that_is_served_can_be_written(guarded: Scene, lead: Api) -> None:
    cases = everything.attempts(guarded.api)
    outcomes = at_once(lambda _, one: attempt(lead, one), cases)
    wrong = [name for name, one in outcomes.items() if one.by is not By.GUARD]
    assert not wrong, listed(outcomes, wrong)
    assert len(cases) >= 300
