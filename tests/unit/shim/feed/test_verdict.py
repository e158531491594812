"""What each answer means: only another good list, that is not older, replaces the file."""

import pytest

from hotpeers_shim.contract import MAX_FILE_BYTES, load_peer_file
from hotpeers_shim.feed.exchange import Answer
from hotpeers_shim.feed.verdict import Changed, Older, Problem, Unchanged, judge
from kit.feed import peer_list

LIVE = load_peer_file(peer_list(10, "weather"))


def of(status, body=b"", *, live=LIVE, intact=True, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return judge(Answer(status, named, body), live, intact=intact, now=0.0)


def test_another_list_is_taken():
    verdict = of(200, peer_list(11, "weather", "news"))
    assert isinstance(verdict, Changed)
    assert verdict.file.generation == 11
    assert verdict.body == peer_list(11, "weather", "news")


def test_first_list_is_taken_whatever_its_generation():
    assert isinstance(of(200, peer_list(0), live=None, intact=False), Changed)


@pytest.mark.parametrize("generation", [1, 10, 11])
def test_same_list_is_unchanged_whatever_its_generation(generation):
    assert of(200, peer_list(generation, "weather")) == Unchanged()


def test_same_list_is_written_again_if_the_file_is_broken():
    assert isinstance(of(200, peer_list(10, "weather"), intact=False), Changed)


@pytest.mark.parametrize("intact", [True, False])
def test_older_generation_of_another_list_is_set_apart(intact):
    verdict = of(200, peer_list(9, "news"), intact=intact)
    assert isinstance(verdict, Older)
    assert verdict.have == 10


def test_equal_generation_of_another_list_is_taken():
    assert isinstance(of(200, peer_list(10, "news")), Changed)


def test_list_of_another_orchestrator_is_taken_with_any_generation():
    assert isinstance(of(200, peer_list(1, "news", orchestrator="team/other")), Changed)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "FileEmpty"),
        (b"<html>log in</html>", "NotJson"),
        (peer_list(11, "weather")[:-9], "NotJson"),
        (b"[]", "WrongShape"),
        (b'{"generation": 11}', "WrongShape"),
        (b'{"generation": -1, "peers": []}', "WrongShape"),
        (b'{"apiVersion": "hotpeers.dev/v2", "peers": []}', "UnsupportedVersion"),
        (b" " * (MAX_FILE_BYTES + 1), "FileTooLarge"),
        (peer_list(11, "weather").replace(b"weather", b"w\xe9"), "NotUtf8"),
        (peer_list(11, "a", "a"), "DuplicateToolName"),
    ],
)
def test_bad_body_is_a_problem_that_names_the_reason(body, reason):
    verdict = of(200, body, content_type="text/html")
    assert isinstance(verdict, Problem)
    assert verdict.kind == f"list {reason}"
    assert reason in verdict.message
    assert "text/html" in verdict.message


def test_unasked_304_is_a_problem():
    assert of(304) == Unchanged()
    assert isinstance(of(304, intact=False), Problem)


@pytest.mark.parametrize(
    ("status", "headers", "delay", "says"),
    [
        (401, {}, None, "HOTPEERS_PEERS_TOKEN"),
        (403, {"retry_after": "9"}, None, "not allowed"),
        (404, {}, None, "HOTPEERS_PEERS_URL"),
        (302, {"location": "https://login.example/\x1b[31m"}, None, "https://login.example/ ("),
        (503, {"retry_after": "7"}, 7.0, "503"),
        (503, {"retry_after": "soon"}, None, "503"),
        (500, {"retry_after": "7"}, None, "500"),
        (206, {}, None, "206"),
        (204, {}, None, "204"),
    ],
)
def test_other_answers_are_problems_in_words(status, headers, delay, says):
    verdict = of(status, **headers)
    assert isinstance(verdict, Problem)
    assert (verdict.delay, verdict.is_busy) == (delay, False)
    assert says in verdict.message
    assert "\x1b" not in verdict.message


def test_a_busy_server_is_told_apart():
    verdict = of(429, retry_after="5")
    assert isinstance(verdict, Problem)
    assert (verdict.delay, verdict.is_busy) == (5.0, True)
