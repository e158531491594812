"""Differences between two configurations, and which of them need a restart."""

import pytest

from hotpeers_shim.hot.changes import PER_REQUEST, changed_files, differing, restarts
from hotpeers_shim.hot.content import Content

START = {
    "model": {"type": "openai", "model": "a", "api_key_passthrough": None},
    "description": "d",
    "instruction": "i",
    "stream": None,
    "memory": None,
    "session_db_url": None,
}


@pytest.mark.parametrize("field", sorted(PER_REQUEST - {"model"}))
def test_field_read_for_each_request_needs_no_restart(field):
    assert restarts(START, {**START, field: "another"}) == ()
    assert differing(START, {**START, field: "another"}) == (field,)


def test_changed_model_needs_no_restart():
    model = {"type": "anthropic", "model": "b", "headers": {"x": "y"}, "api_key_passthrough": False}
    assert restarts(START, {**START, "model": model}) == ()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"stream": True}, ("stream",)),
        ({"memory": {"ttl_days": 0}}, ("memory",)),
        ({"session_db_url": "sqlite://"}, ("session_db_url",)),
        ({"model": {"api_key_passthrough": True}}, ("model.api_key_passthrough",)),
        ({"of_a_later_version": 1}, ("of_a_later_version",)),
        ({"stream": True, "memory": {}, "instruction": "new"}, ("memory", "stream")),
    ],
)
def test_field_read_at_the_start_is_named(change, names):
    assert restarts(START, {**START, **change}) == names
    assert restarts({**START, **change}, START) == names


def test_false_equals_absent():
    assert restarts(START, {**START, "stream": False}) == ()


def test_malformed_model_does_not_raise():
    assert restarts({"model": None}, {"model": "x"}) == ()


def test_files_beside_the_configuration_are_named():
    start = Content(b"c", b"card", b"srt", b"skills")
    assert changed_files(start, Content(b"other", b"card", b"srt", b"skills")) == ()
    names = changed_files(start, Content(b"c"))
    assert names == ("agent-card.json", "srt-settings.json", "skills")
