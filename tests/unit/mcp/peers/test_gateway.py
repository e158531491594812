"""Calls through the gateway of kagent 1.x: its Sessions, its refusals, and its users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from hotpeers.mcp.peers.conversation import Conversation, Owner, peer_digest
from hotpeers.mcp.peers.exchange import Message, Outcome
from hotpeers.mcp.peers.exchanges import Exchanges, Request
from hotpeers_shim.calls import faults
from hotpeers_shim.calls.pool import Pool
from hotpeers_shim.catalog import Catalog
from hotpeers_shim.contract import CallProblem, Interface, Peer
from hotpeers_shim.settings import Settings
from kit.gateway import Gateway, running_gateway
from kit.waiting import until_async

ADA = {"authorization": "Bearer a-token"}
OWNER = Owner("team/lead", "ada")


@dataclass
class Caller:
    """A process that calls the Agent behind a gateway. It is a `Fleet` too."""

    exchanges: Exchanges
    peer: Peer
    failures: list[str] = field(default_factory=list)

    def catalog(self) -> Catalog:
        return Catalog()

    def note_called(self, tool: str, /) -> None:
        pass

    def note_failed(self, tool: str, problem: CallProblem, message: str, /) -> None:
        self.failures.append(problem.value)

    async def ask(
        self, text: str, before: Outcome | None = None, message_id: str = "", **headers: str
    ) -> Outcome:
        thread = before.thread if before is not None else None
        known = Conversation(peer_digest(self.peer), thread) if thread is not None else None
        request = Request(OWNER, Message(text, message_id, headers))
        return await self.exchanges.send(self, self.peer, request, known).task


@asynccontextmanager
async def calling(gateway: Gateway) -> AsyncIterator[Caller]:
    url = f"{gateway.url}/agents/team/weather"
    way = Interface(url, "JSONRPC", "1.0", "team/weather", True)
    peer = Peer("weather", url, "weather", "team", "uid", interfaces=(way,), userHeaders=True)
    settings = Settings.read({})
    pool = Pool(settings)
    try:
        async with Exchanges(pool, settings) as exchanges:
            yield Caller(exchanges, peer)
    finally:
        await pool.aclose()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as made:
        yield made


async def test_first_message_has_no_context_and_the_next_one_that_of_its_session(
    gateway: Gateway,
) -> None:
    async with calling(gateway) as caller:
        first = await caller.ask("one")
        other = await caller.ask("apart")
        second = await caller.ask("two", first)
    assert "team/weather heard: one" in first.text
    assert "team/weather heard: two" in second.text
    assert {first.thread.context_id, other.thread.context_id} == set(gateway.sessions)
    one, apart, two = gateway.messages()
    for sent in (one, apart):
        assert not {"contextId", "taskId"} & sent.keys()
    assert two["contextId"] == first.thread.context_id
    assert {one["params"]["tenant"] for one in gateway.log} == {"team/weather"}


async def test_agent_that_asks_back_gets_the_answer_in_its_task(gateway: Gateway) -> None:
    async with calling(gateway) as caller:
        asked = await caller.ask("ask which")
        await caller.ask("this one", asked)
    assert asked.thread.task_id
    assert gateway.messages()[1]["taskId"] == asked.thread.task_id
    assert len(gateway.sessions) == 1


async def test_message_of_a_lost_session_begins_a_new_one(gateway: Gateway) -> None:
    async with calling(gateway) as caller:
        first = await caller.ask("one", message_id="m1")
        gateway.sessions.clear()
        second = await caller.ask("two", first, message_id="m2")
    assert "this is a new conversation" in second.text
    assert second.thread.context_id != first.thread.context_id
    assert gateway.runs == ["one", "two"]
    # The gateway would take the same id for a repetition.
    assert [one["messageId"] for one in gateway.messages()] == ["m1", "m2", "m2-1"]


async def test_message_that_is_not_accepted_is_sent_again_after_the_pause(
    gateway: Gateway,
) -> None:
    gateway.retry_after = "700"
    clock = asyncio.get_running_loop().time
    async with calling(gateway) as caller:
        began = clock()
        said = await caller.ask("busy 2")
        assert clock() - began > 1.3
    assert not said.failed
    assert len({one["messageId"] for one in gateway.messages()}) == 1
    assert len(gateway.messages()) == 3
    assert gateway.runs == ["busy 2"]
    assert not caller.failures


@pytest.mark.parametrize("status", [429, 503])
async def test_refusal_of_a_proxy_before_the_gateway_is_kept_too(
    status: int, gateway: Gateway
) -> None:
    gateway.turned_away = [status]
    clock = asyncio.get_running_loop().time
    async with calling(gateway) as caller:
        began = clock()
        said = await caller.ask("one")
        assert clock() - began >= 1
    assert not said.failed
    assert len({one["messageId"] for one in gateway.messages()}) == 1
    assert gateway.runs == ["one"]


async def test_pause_that_is_too_long_is_not_waited_for(gateway: Gateway) -> None:
    gateway.retry_after = "3600000"
    async with calling(gateway) as caller:
        first = await caller.ask("one")
        said = await caller.ask("busy 1", first)
    assert said.failed
    assert "it is busy" in said.text
    assert "nothing was done" in said.text
    assert said.thread == first.thread
    assert len(gateway.messages()) == 2
    assert caller.failures == [CallProblem.REFUSED]


async def test_session_that_is_being_suspended_refuses_without_a_retry(gateway: Gateway) -> None:
    async with calling(gateway) as caller:
        first = await caller.ask("one")
        said = await caller.ask("pause", first)
        assert "Session cannot accept work" in said.text
        assert said.thread == first.thread
        assert not (await caller.ask("two", said)).failed
    assert gateway.runs == ["one", "two"]


async def test_one_session_has_one_active_task_over_two_processes(gateway: Gateway) -> None:
    async with calling(gateway) as here, calling(gateway) as there:
        first = await here.ask("one")
        slow = asyncio.create_task(here.ask("sleep 1", first))
        await until_async("the slow message", lambda: "sleep 1" in gateway.runs)
        after = await there.ask("two", first)
        assert slow.done()
    assert not after.failed
    assert gateway.runs == ["one", "sleep 1", "two"]
    assert len({one["messageId"] for one in gateway.messages()}) == 3


async def test_first_message_that_two_processes_send_runs_once(gateway: Gateway) -> None:
    async with calling(gateway) as here, calling(gateway) as there:
        said = await asyncio.gather(
            *(one.ask("sleep 0.3", message_id="same") for one in (here, there))
        )
    assert said[0] == said[1]
    assert gateway.runs == ["sleep 0.3"]


async def test_session_belongs_to_its_user_also_in_another_process(gateway: Gateway) -> None:
    gateway.tokens = {"a-token": "ada", "b-token": "bo"}
    async with calling(gateway) as here, calling(gateway) as there:
        refused = await here.ask("one")
        assert refused.failed
        assert "401" in refused.text
        sent = here.exchanges.send(
            here, here.peer, Request(OWNER, Message("sleep 1", headers=ADA)), None
        )
        await until_async("the task", lambda: sent.conversation(None).running)
        waiting = sent.conversation(None)
        as_bo = there.exchanges.resume(
            there, there.peer, OWNER, waiting, {"authorization": "Bearer b-token"}
        )
        assert (await as_bo.task).failed
        as_ada = there.exchanges.resume(there, there.peer, OWNER, waiting, ADA)
        assert "heard: sleep 1" in (await as_ada.task).text
        # Another user's Session is not known: the message begins one of its own.
        mine = await as_ada.task
        other = await there.ask("mine", mine, authorization="Bearer b-token")
    assert "this is a new conversation" in other.text
    assert {one.creator for one in gateway.sessions.values()} == {"ada", "bo"}
    assert gateway.runs == ["sleep 1", "mine"]


class Refusal(Exception):
    def __init__(self, data: object) -> None:
        super().__init__("input was not accepted")
        self.data = data


@pytest.mark.parametrize(
    ("milliseconds", "pause"),
    [
        ("1500", 1.5),
        (1500, 1.5),
        (250.0, 0.25),
        ("0", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("nan", 0.0),
        ("1e999", 0.0),
        (10**400, 0.0),
        (True, 0.0),
        (None, 0.0),
        ({}, 0.0),
    ],
)
def test_pause_of_the_gateway_is_read_leniently(milliseconds: object, pause: float) -> None:
    data = {"reason": "KAGENT_SEND_NOT_ACCEPTED", "retryAfterMs": milliseconds}
    fault = faults.explain(Refusal(data))
    assert (fault.busy, fault.unsent, fault.pause) == (True, True, pause)


@pytest.mark.parametrize("data", [None, [], "x", {}, {"reason": "OTHER", "retryAfterMs": "1"}])
def test_other_refusals_are_not_retried(data: object) -> None:
    assert not faults.explain(Refusal(data)).unsent


def answered(status: int, retry_after: str | None) -> faults.Fault:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    request = httpx.Request("POST", "http://a.example")
    response = httpx.Response(status, headers=headers, request=request)
    return faults.explain(httpx.HTTPStatusError("refused", request=request, response=response))


@pytest.mark.parametrize("status", [429, 503])
def test_http_refusal_says_when_to_send_again(status: int) -> None:
    assert answered(status, "7") == faults.Fault(
        CallProblem.REFUSED, answered(status, None).text, unsent=True, busy=True, pause=7.0
    )
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 28 < answered(status, then).pause <= 30
    past = answered(status, "Wed, 21 Oct 2015 07:28:00 GMT")
    assert (past.busy, past.pause) == (True, 0.0)
    assert answered(status, "9" * 400).pause > 60


@pytest.mark.parametrize(
    ("status", "retry_after"),
    [
        (429, None),
        (503, ""),
        (503, "soon"),
        (503, "-3"),
        (503, "7.5"),
        (503, "\xb2".encode("latin-1")),
        (500, "1"),
        (404, "1"),
    ],
)
def test_other_http_refusals_are_not_sent_again(status: int, retry_after: str | None) -> None:
    assert not answered(status, retry_after).unsent
