"""Who signs in, what he may see, and for how long."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from cryptography.fernet import InvalidToken

from hotpeers.console.attempts import MOST_FAILURES, WINDOW_SECONDS, Attempts
from hotpeers.console.cached_answer import KEPT_SECONDS, OLDEST_SECONDS, RETRY_SECONDS
from hotpeers.console.reviews import MAX_TOKEN, User, may_list, review_token
from hotpeers.console.rights import Rights
from hotpeers.console.sessions import (
    LONGEST_SECONDS,
    WITHOUT_EXPIRY_SECONDS,
    Sessions,
    lifetime_of,
)
from hotpeers.console.world import Visible
from hotpeers.kube.errors import KubeError, ServerError

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


async def test_right_in_the_whole_cluster_costs_one_request(clock: Any) -> None:
    asked = Asked("")
    rights = Rights(asked, lambda: frozenset(f"n{number}" for number in range(100)), clock)
    assert await rights.of(User("a")) == Visible(everything=True)
    assert await rights.of(User("a")) == Visible(everything=True)
    assert asked.names == [""]


async def test_each_namespace_is_asked_for_once_a_minute(clock: Any) -> None:
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


async def test_users_of_one_name_with_other_groups_are_different(clock: Any) -> None:
    class Groups(Asked):
        async def __call__(self, user: User, namespace: str) -> bool:
            return "admins" in user.groups

    rights = Rights(Groups(), lambda: frozenset({"team"}), clock)
    assert (await rights.of(User("a", groups=("admins",)))).everything
    assert not (await rights.of(User("a"))).everything


async def test_old_rights_are_used_for_a_while_if_the_api_server_fails(clock: Any) -> None:
    asked = Asked("")
    rights = Rights(asked, lambda: frozenset({"team"}), clock)
    await rights.of(User("a"))
    began = clock.now
    asked.error = ServerError("down", 500)
    while clock.now < began + OLDEST_SECONDS:
        assert (await rights.of(User("a"))).everything
        clock.now += 1
    with pytest.raises(ServerError, match="down"):
        await rights.of(User("a"))
    with pytest.raises(ServerError, match="down"):
        await rights.of(User("new"))
    # Pages that wait do not flood the API server.
    assert len(asked.names) <= 2 + (OLDEST_SECONDS - KEPT_SECONDS) / RETRY_SECONDS + 1
    asked.error = None
    clock.now += RETRY_SECONDS
    assert (await rights.of(User("a"))).everything


async def test_first_failure_ends_the_questions_about_namespaces(clock: Any) -> None:
    """While the API server is away, each of them takes seconds."""

    class Away(Asked):
        async def __call__(self, user: User, namespace: str) -> bool:
            if not namespace:
                return False
            await asyncio.sleep(0)
            return await super().__call__(user, namespace)

    asked = Away()
    asked.error = ServerError("down", 500)
    rights = Rights(asked, lambda: frozenset(f"n{number}" for number in range(500)), clock)
    with pytest.raises(ServerError, match="down"):
        await rights.of(User("a"))
    assert len(asked.names) < 50


async def test_new_namespace_is_hidden_until_it_can_be_asked_about(clock: Any) -> None:
    asked, places = Asked("team", "new"), {"team"}
    rights = Rights(asked, lambda: frozenset(places), clock)
    await rights.of(User("a"))
    places.add("new")
    asked.error = ServerError("down", 500)
    for _ in range(10):
        assert (await rights.of(User("a"))).namespaces == {"team"}
    assert asked.names.count("new") == 1
    asked.error = None
    clock.now += RETRY_SECONDS
    assert (await rights.of(User("a"))).namespaces == {"team", "new"}


async def test_rights_of_users_do_not_fill_memory() -> None:
    rights = Rights(Asked(""), frozenset)
    for number in range(1_500):
        await rights.of(User(str(number)))
    assert len(rights._answers) == 1_000


async def test_review_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hangs(Api):
        async def post(self, path: str, body: Any) -> Any:
            await asyncio.Event().wait()

    monkeypatch.setattr("hotpeers.console.reviews.ANSWER_SECONDS", 0.01)
    with pytest.raises(KubeError, match="did not answer"):
        await review_token(Hangs(None), "t", "")  # type: ignore[arg-type]
    with pytest.raises(KubeError, match="did not answer"):
        await may_list(Hangs(None), User("a"), "")  # type: ignore[arg-type]


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


async def test_session_ends_with_its_time_or_by_the_user(clock: Any) -> None:
    sessions = Sessions(clock)
    secret = sessions.begin(User("a"), "t", 60.0)
    assert sessions.find(secret)
    assert sessions.find(secret + "x") is None
    clock.now += 60.0
    assert sessions.find(secret) is None
    secret = sessions.begin(User("a"), "t", 60.0)
    session = sessions.find(secret)
    assert session
    sessions.end(session)
    assert sessions.find(secret) is None


async def test_token_of_an_old_session_does_not_stay_in_memory(clock: Any) -> None:
    sessions = Sessions(clock)
    sessions.begin(User("a"), "t", 60.0)
    sessions.begin(User("a"), "t", 90.0)
    clock.now += 60.0
    sessions.end_old()
    assert len(sessions._sessions) == 1


async def test_token_is_readable_only_with_the_cookie(clock: Any) -> None:
    sessions = Sessions(clock)
    secret = sessions.begin(User("a"), "the-token", 60.0)
    session = sessions.find(secret)
    assert session
    assert session.token(secret) == "the-token"
    assert b"the-token" not in session.sealed
    assert secret.encode() not in (session.key, session.sealed)
    with pytest.raises(InvalidToken):
        session.token("another")


async def test_sessions_are_limited(clock: Any) -> None:
    sessions = Sessions(clock)
    # Each token of a ServiceAccount has another id in `extra`.
    users = [User("a", "1", extra=(("id", (str(number),)),)) for number in range(25)]
    secrets = [sessions.begin(one, "t", 60.0) for one in users]
    other = sessions.begin(User("b"), "t", 60.0)
    assert [sessions.find(one) is not None for one in secrets] == [False] * 5 + [True] * 20
    assert sessions.find(other)
    for number in range(2_200):
        sessions.begin(User(f"u{number}"), "t", 60.0)
    assert sessions.number() == 2_000
    clock.now += 60
    assert sessions.number() == 0


async def test_groups_of_a_session_follow_the_token(clock: Any) -> None:
    sessions = Sessions(clock)
    secret = sessions.begin(User("a", "1", groups=("old",)), "t", 60.0)
    session = sessions.find(secret)
    assert session
    assert sessions.confirm(session, User("a", "1", groups=("new",)))
    assert session.user.groups == ("new",)


@pytest.mark.parametrize("user", [None, User("b", "1"), User("a", "2")])
async def test_token_of_another_user_ends_the_session(clock: Any, user: User | None) -> None:
    sessions = Sessions(clock)
    secret = sessions.begin(User("a", "1"), "t", 60.0)
    session = sessions.find(secret)
    assert session
    assert not sessions.confirm(session, user)
    assert sessions.find(secret) is None


def test_failed_sign_ins_are_limited_by_client(clock: Any) -> None:
    attempts = Attempts(clock)
    for _ in range(MOST_FAILURES):
        assert attempts.pause("1.2.3.4") == 0.0
        attempts.begin("1.2.3.4")
    assert 0 < attempts.pause("1.2.3.4") <= WINDOW_SECONDS
    assert attempts.pause("5.6.7.8") == 0.0
    clock.now += WINDOW_SECONDS
    assert attempts.pause("1.2.3.4") == 0.0


def test_sign_ins_that_succeed_cost_nothing(clock: Any) -> None:
    attempts = Attempts(clock)
    for _ in range(3 * MOST_FAILURES):
        attempts.begin("1.2.3.4")
        attempts.forgive("1.2.3.4")
    attempts.forgive("unknown")
    assert attempts.pause("1.2.3.4") == 0.0
    assert not attempts._failed


def test_clients_do_not_fill_memory(clock: Any) -> None:
    attempts = Attempts(clock)
    for number in range(10_000):
        attempts.begin(str(number))
    assert len(attempts._failed) <= 4_096
