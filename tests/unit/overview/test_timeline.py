"""The timeline of `hotpeers history`."""

from datetime import UTC, datetime, timedelta

import pytest

from hotpeers.base.errors import SettingsError
from hotpeers.overview.summary import read_orchestrator
from hotpeers.overview.timeline import Entry, parse_since, timeline_of
from kit.orchestrators import NOW, change, orchestrator, status


def entries(*changes: object, since: datetime | None = None) -> list[Entry]:
    given = read_orchestrator(orchestrator(status=status(changes=list(changes))))
    return timeline_of([given], since)


def test_changes_of_all_orchestrators_are_in_order_of_time() -> None:
    both = [
        read_orchestrator(orchestrator(name, status=status(changes=[change(ago=ago)])))
        for name, ago in (("a", 10), ("b", 20))
    ]
    assert [str(one.key) for one in timeline_of(both)] == ["team/b", "team/a"]


def test_words_name_what_changed() -> None:
    (one,) = entries(change(removed=["team/old"], changed=["team/new-card"], more=3))
    assert one.words == "+team/weather -team/old ~team/new-card and 3 more"


def test_change_without_names_is_still_shown() -> None:
    (one,) = entries({"time": "yesterday", "added": "x", "generation": "1"})
    assert (one.words, one.live, one.change.time) == ("nothing", "not yet", None)


def test_only_the_newest_change_of_a_pod_is_not_yet_live() -> None:
    found = entries(change(1), change(2), change(3, replica="pod-2", liveSeconds=0.44))
    assert [one.live for one in found] == ["-", "not yet", "0.4s"]


def test_since_leaves_out_earlier_changes() -> None:
    found = entries(change(1, ago=100), change(2, ago=10), since=NOW - timedelta(seconds=30))
    assert [one.change.generation for one in found] == [2]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("90s", NOW - timedelta(seconds=90)),
        ("1d12h", NOW - timedelta(hours=36)),
        ("2026-11-29T13:00:00Z", datetime(2026, 11, 29, 13, tzinfo=UTC)),
        ("2026-11-29T13:00:00+01:00", datetime(2026, 11, 29, 12, tzinfo=UTC)),
        ("2026-11-29", datetime(2026, 11, 29, tzinfo=UTC)),
    ],
)
def test_since_is_a_duration_or_a_time(text: str, moment: datetime | None) -> None:
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["yesterday", "5", "-5m", "5m ", "1w", "\x1b[31m", "0001-01-01T00:00:00+14:00"]
)
def test_other_since_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError, match="--since"):
        parse_since(text, NOW)


def test_since_before_all_times_means_all() -> None:
    assert parse_since("999999d", NOW) == datetime.min.replace(tzinfo=UTC)
