"""What both sides agree on about the feed: tags, waits and times to come back."""

from __future__ import annotations

import pytest

from hotpeers_shim.contract.feed import (
    MAX_RETRY_AFTER,
    MAX_WAIT,
    etag_of,
    is_etag,
    is_known,
    retry_after,
    wait_header,
    wait_of,
)

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    "sent",
    [
        etag_of(DIGEST),
        f"W/{etag_of(DIGEST)}",
        f'"{DIGEST}-gzip"',
        f'"other", {etag_of(DIGEST)}',
        f'"a,b",W/"x" ,  W/"{DIGEST}"',
    ],
)
def test_the_list_that_a_client_has_is_known(sent):
    assert is_known(sent, DIGEST)


@pytest.mark.parametrize(
    "sent", ["", "*", DIGEST, f'"{DIGEST}', '"sha256:"', f'"{DIGEST}x"', '""', "W/"]
)
def test_another_list_is_not_known(sent):
    assert not is_known(sent, DIGEST)


def test_no_list_is_known_without_a_digest():
    assert not is_known('""', "")


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('""', True),
        ("a", False),
        ('"a"b"', False),
        ('"a\r\nX: y"', False),
        ('w/"a"', False),
    ],
)
def test_a_tag_is_checked_before_it_is_sent_back(text, valid):
    assert is_etag(text) is valid


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (["wait=25"], 25),
        (["WAIT = 5"], 5),
        (['wait="10"'], 10),
        (["respond-async, wait=10"], 10),
        (["wait=10; strict, wait=20"], 10),
        (["handling=lenient", "wait=7"], 7),
        (["wait=999999"], MAX_WAIT),
        (["wait=0"], 0),
        ([], 0),
        ([""], 0),
        (["wait"], 0),
        (["wait=-1"], 0),
        (["wait=1.5"], 0),
        (["wait=٣"], 0),
        (["wait=" + "9" * 40], 0),
        (["await=5"], 0),
    ],
)
def test_wait_of_a_request(values, seconds):
    assert wait_of(values) == seconds


def test_a_wait_is_sent_in_whole_seconds_within_the_limit():
    assert wait_header(24.6) == "wait=25"
    assert wait_of([wait_header(500)]) == MAX_WAIT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5),
        (" 5 ", 5),
        ("0", 1),
        ("86400", MAX_RETRY_AFTER),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("Thu, 99 Foo 1970", None),
    ],
)
def test_retry_after_is_followed_within_limits(value, seconds):
    assert retry_after(value, now=10.0) == seconds
