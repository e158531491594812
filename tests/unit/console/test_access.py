"""Who signs in, what he may see, and for how long."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from hotpeers.console.attempts import MOST_FAILURES, WINDOW_SECONDS, Attempts
from hotpeers.console.reviews import MAX_TOKEN, User, may_list, review_token
from hotpeers.console.rights import KEPT_SECONDS, Rights
from hotpeers.console.sessions import (
    LONGEST_SECONDS,
    WITHOUT_EXPIRY_SECONDS,
    Sessions,
    lifetime_of,
)
from hotpeers.console.world import Visible
from hotpeers.kube.errors import ServerError

GOOD = {
    "authenticated": True,
    "audiences": ["hotpeers-console"],
    "user": {"username": "a", "uid": "1", "groups": ["g", 3], "extra": {"k": ["v", 1], "odd": "x"}},
}


class Api:
    """Answers each POST with a status, and notes the bodies."""

    def __init__(self, status: Any) -> None:
        self.status = status
        self.bodies: list[Any] = []

    async def post(self, path: str, body: Any) -> Any:
        self.bodies.append((path, body))
        return {"status": self.status}


class Clock:
    """A clock that is set by hand."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_user_of_a_token() -> None:
    api = Api(GOOD)
    found = await review_token(api, "t", "hotpeers-console")  # type: ignore[arg-type]
    assert found == User("a", "1", ("g",), (("k", ("v",)),))
    ((_, body),) = api.bodies
    assert body["spec"] == {"token": "t", "audiences": ["hotpeers-console"]}


@pytest.mark.parametrize(
    "status",
    [
        {},
        None,
        {**GOOD, "authenticated": "true"},
        {**GOOD, "authenticated": False},
        {**GOOD, "audiences": ["https://kubernetes.default.svc"]},
        {key: value for key, value in GOOD.items() if key != "audiences"},
        {**GOOD, "user": {}},
        {**GOOD, "user": {"username": ""}},
    ],
    ids=range(8),
)
async def test_token_of_another_audience_or_of_nobody_is_refused(status: Any) -> None:
    assert await review_token(Api(status), "t", "hotpeers-console") is None  # type: ignore[arg-type]


@pytest.mark.parametrize("token", ["", "a b\n", "é", "x" * (MAX_TOKEN + 1), "a\0"])
async def test_text_that_is_no_token_is_not_sent(token: str) -> None:
    api = Api(GOOD)
    assert await review_token(api, token, "hotpeers-console") is None  # type: ignore[arg-type]
    assert api.bodies == []


async def test_rights_are_asked_for_the_whole_user() -> None:
    api = Api({"allowed": True})
    user = User("a", "1", ("g",), (("k", ("v",)),))
    assert await may_list(api, user, "team")  # type: ignore[arg-type]
    ((_, body),) = api.bodies
    assert body["spec"] == {
        "user": "a",
        "uid": "1",
        "groups": ["g"],
        "extra": {"k": ["v"]},
        "resourceAttributes": {
            "verb": "list",
            "group": "hotpeers.dev",
            "version": "v1alpha1",
            "resource": "orchestrators",
            "namespace": "team",
        },
    }


@pytest.mark.parametrize("status", [{}, None, {"allowed": "true"}, {"denied": False}])
async def test_unclear_answer_is_no_right(status: Any) -> None:
    assert not await may_list(Api(status), User("a"), "team")  # type: ignore[arg-type]


class Asked:
    """Rights of one user; notes which namespaces were asked for."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = set(allowed)
        self.names: list[str] = []
        self.error: Exception | None = None

    async def __call__(self, user: User, namespace: str) -> bool:
        self.names.append(namespace)
        if self.error is not None:
            raise self.error
        return namespace in self.allowed


async def test_right_in_the_whole_cluster_costs_one_request(clock: Clock) -> None:
    asked = Asked("")
    rights = Rights(asked, lambda: frozenset(f"n{number}" for number in range(100)), clock)
    assert await rights.of(User("a")) == Visible(everything=True)
    assert await rights.of(User("a")) == Visible(everything=True)
    assert asked.names == [""]


async def test_each_namespace_is_asked_for_once_a_minute(clock: Clock) -> None:
    asked, places = Asked("team"), {"team", "other"}
    rights = Rights(asked, lambda: frozenset(places), clock)
    for _ in range(3):
        assert await rights.of(User("a")) == Visible(namespaces=frozenset({"team"}))
    assert sorted(asked.names) == ["", "other", "team"]
    places.add("new")
    asked.allowed.add("new")
    assert (await rights.of(User("a"))).namespaces == {"team", "new"}
    clock.now += KEPT_SECONDS
    asked.allowed.clear()
    assert (await rights.of(User("a"))).namespaces == frozenset()


async def test_users_of_one_name_with_other_groups_are_different(clock: Clock) -> None:
    class Groups(Asked):
        async def __call__(self, user: User, namespace: str) -> bool:
            return "admins" in user.groups

    rights = Rights(Groups(), lambda: frozenset({"team"}), clock)
    assert (await rights.of(User("a", groups=("admins",)))).everything
    assert not (await rights.of(User("a"))).everything


async def test_rights_are_unknown_while_the_api_server_fails(clock: Clock) -> None:
    asked = Asked("")
    rights = Rights(asked, lambda: frozenset({"team"}), clock)
    await rights.of(User("a"))
    clock.now += KEPT_SECONDS
    asked.error = ServerError("down", 500)
    with pytest.raises(ServerError):
        await rights.of(User("a"))
    asked.error = None
    assert (await rights.of(User("a"))).everything


def jwt(claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"head.{body}.signature"


@pytest.mark.parametrize(
    ("token", "seconds"),
    [
        (jwt({"exp": 1_600}), 600.0),
        (jwt({"exp": 10**9}), LONGEST_SECONDS),
        (jwt({"exp": 900}), 0.0),
        (jwt({"exp": "soon"}), WITHOUT_EXPIRY_SECONDS),
        (jwt([]), WITHOUT_EXPIRY_SECONDS),
        ("opaque", WITHOUT_EXPIRY_SECONDS),
        ("a.%%%.c", WITHOUT_EXPIRY_SECONDS),
        ("a." + "[" * 9000 + ".c", WITHOUT_EXPIRY_SECONDS),
    ],
    ids=range(8),
)
def test_session_is_not_longer_than_its_token(token: str, seconds: float) -> None:
    assert lifetime_of(token, 1_000.0) == seconds


def test_session_ends_with_its_time_or_by_the_user(clock: Clock) -> None:
    sessions = Sessions(clock)
    secret, session = sessions.begin(User("a"), 60.0)
    assert sessions.find(secret) == session
    assert sessions.find(secret + "x") is None
    clock.now += 60.0
    assert sessions.find(secret) is None
    secret, session = sessions.begin(User("a"), 60.0)
    sessions.end(session)
    assert sessions.find(secret) is None


def test_sessions_are_limited(clock: Clock) -> None:
    sessions = Sessions(clock)
    secrets = [sessions.begin(User("a"), 60.0)[0] for _ in range(25)]
    other = sessions.begin(User("b"), 60.0)[0]
    assert [sessions.find(one) is not None for one in secrets] == [False] * 5 + [True] * 20
    assert sessions.find(other)
    for number in range(3_000):
        sessions.begin(User(f"u{number}"), 60.0)
    assert len(sessions._sessions) == 2_000


def test_failed_sign_ins_are_limited_by_address(clock: Clock) -> None:
    attempts = Attempts(clock)
    for _ in range(MOST_FAILURES):
        assert attempts.pause("1.2.3.4") == 0.0
        attempts.note_failure("1.2.3.4")
    assert 0 < attempts.pause("1.2.3.4") <= WINDOW_SECONDS
    assert attempts.pause("5.6.7.8") == 0.0
    clock.now += WINDOW_SECONDS
    assert attempts.pause("1.2.3.4") == 0.0


def test_addresses_do_not_fill_memory(clock: Clock) -> None:
    attempts = Attempts(clock)
    for number in range(10_000):
        attempts.note_failure(str(number))
    assert len(attempts._failed) <= 4_096
