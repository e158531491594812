"""The raw peer, read by this environment's own library: it sends valid A2A in each form.

If these tests pass, failures of other tests with the raw peer are not its fault.
"""

from typing import Any

import httpx
import pytest
from harness import A2A
from rawkit import DONE, SUBMITTED, WAYS, WORKING, artifact, status, text

DATA = {"data": {"temp_c": 21, "ok": True, "list": [1, "two"]}}
URL = {"url": "https://files.example/r.pdf", "type": "application/pdf", "name": "r.pdf"}
INLINE = {"bytes": "aGVsbG8=", "type": "text/plain", "name": "h.txt"}


@pytest.fixture(autouse=True)
def runtime() -> None:
    """No agent here."""


class Library:
    """This environment's a2a-sdk, on one interface of the raw peer."""

    def __init__(self, http: httpx.AsyncClient, way: dict[str, Any]) -> None:
        self.old = A2A < (1, 0)
        self.transport = self._transport03(http, way) if self.old else self._transport1(http, way)

    def _transport03(self, http: httpx.AsyncClient, way: dict[str, Any]) -> Any:
        from a2a.client.transports import JsonRpcTransport, RestTransport

        if way["binding"] == "JSONRPC":
            return JsonRpcTransport(http, url=way["url"])
        from a2a.types import AgentCapabilities, AgentCard

        card = AgentCard(
            name="x",
            description="",
            version="",
            url=way["url"],
            capabilities=AgentCapabilities(streaming=True),
            default_input_modes=[],
            default_output_modes=[],
            skills=[],
        )
        return RestTransport(http, agent_card=card)

    def _transport1(self, http: httpx.AsyncClient, way: dict[str, Any]) -> Any:
        from a2a.client.client import ClientConfig
        from a2a.client.client_factory import ClientFactory
        from a2a.types import AgentCapabilities, AgentCard, AgentInterface

        interface = AgentInterface(
            url=way["url"],
            protocol_binding=way["binding"],
            protocol_version=way["protocolVersion"],
            tenant=way.get("tenant", ""),
        )
        card = AgentCard(
            name="x",
            capabilities=AgentCapabilities(streaming=True),
            supported_interfaces=[interface],
        )
        config = ClientConfig(httpx_client=http, supported_protocol_bindings=[way["binding"]])
        return ClientFactory(config).create(card)._transport

    def _sent(self, words: str, task: str) -> Any:
        from a2a import types

        if self.old:
            part = types.Part(root=types.TextPart(text=words))
            role, ids = types.Role.user, {"task_id": task or None}
            message = types.Message(message_id="m1", role=role, parts=[part], **ids)
            return types.MessageSendParams(message=message)
        message = types.Message(
            message_id="m1", role=types.Role.ROLE_USER, parts=[types.Part(text=words)], task_id=task
        )
        return types.SendMessageRequest(message=message)

    def _plain(self, value: Any) -> Any:
        if self.old:
            return value.model_dump(mode="json", by_alias=True, exclude_none=True)
        from google.protobuf.json_format import MessageToDict

        return MessageToDict(value)

    async def stream(self, words: str, task: str = "") -> list[Any]:
        events = self.transport.send_message_streaming(self._sent(words, task), context=None)
        return [self._plain(event) async for event in events]

    async def cut(self, words: str) -> list[Any]:
        """The events of a stream whose connection is lost."""
        events: list[Any] = []
        stream = self.transport.send_message_streaming(self._sent(words, ""), context=None)
        with pytest.raises(Exception, match="incomplete chunked read"):
            await self._fill(events, stream)
        return events

    async def _fill(self, events: list[Any], stream: Any) -> None:
        async for event in stream:
            events.append(self._plain(event))

    async def send(self, words: str, task: str = "") -> Any:
        answer = self._plain(
            await self.transport.send_message(self._sent(words, task), context=None)
        )
        return answer if self.old else next(iter(answer.values()))

    async def get(self, task: str) -> Any:
        from a2a import types

        made = types.TaskQueryParams(id=task) if self.old else types.GetTaskRequest(id=task)
        return self._plain(await self.transport.get_task(made, context=None))

    async def subscribe(self, task: str) -> list[Any]:
        from a2a import types

        if self.old:
            events = self.transport.resubscribe(types.TaskIdParams(id=task), context=None)
        else:
            request = types.SubscribeToTaskRequest(id=task)
            events = self.transport.subscribe(request, context=None)
        return [self._plain(event) async for event in events]

    async def cancel(self, task: str) -> Any:
        from a2a import types

        made = types.TaskIdParams(id=task) if self.old else types.CancelTaskRequest(id=task)
        return self._plain(await self.transport.cancel_task(made, context=None))


@pytest.fixture(params=WAYS, ids="-".join)
async def library(raw, request):
    raw.config()
    async with httpx.AsyncClient(timeout=20) as http:
        yield Library(http, raw.way(*request.param))


def text_of(parts):
    return "".join(part.get("text", "") for part in parts)


def task_of(events):
    first = events[0]
    return first["task"]["id"] if "task" in first else first["id"]


ALL = [
    {"task": {}},
    status("working", "on it"),
    artifact("a1", [*text("one "), DATA], append=False),
    artifact("a1", [URL, INLINE], append=True, last=True),
    status("completed", "that is all"),
]


async def test_each_kind_of_event_and_part_is_parsed_by_the_library(library, raw):
    events = await library.stream(raw.script("all", ALL))
    assert len(events) == 5
    found = str(events)
    for word in ("on it", "one ", "temp_c", "r.pdf", "files.example", "h.txt", "aGVsbG8="):
        assert word in found
    kinds = [next(iter(event)) if "kind" not in event else event["kind"] for event in events]
    assert kinds[0] == "task"
    whole = await library.send("all")
    (one,) = whole["artifacts"]
    assert len(one["parts"]) == 4
    assert text_of(whole["status"]["message"]["parts"]) == "that is all"
    assert [text_of(said["parts"]) for said in whole["history"]] == ["all", "on it"]
    assert await library.get(whole["id"]) == whole


@pytest.mark.parametrize("state", ["failed", "rejected", "canceled", "input-required"])
async def test_each_state_is_a_state_of_the_library(library, raw, state):
    raw.script("state", [SUBMITTED, status(state, "why")])
    found = await library.send("state")
    word = found["status"]["state"].removeprefix("TASK_STATE_").lower().replace("_", "-")
    assert word == state


async def test_message_in_place_of_a_task(library, raw):
    raw.script("direct", [{"message": [*text("hi"), DATA]}])
    assert text_of((await library.send("direct"))["parts"]) == "hi"
    (event,) = await library.stream("direct")
    assert text_of(event.get("message", event)["parts"]) == "hi"


async def test_task_continues_after_a_cut_and_can_be_subscribed_to(library, raw):
    steps = [SUBMITTED, artifact("a", text("one ")), {"cut": 1}, {"sleep": 0.4}]
    raw.script("cut", [*steps, artifact("a", text("two"), append=True), DONE])
    events = await library.cut("cut")
    task = task_of(events)
    assert text_of((await library.get(task))["artifacts"][0]["parts"]) == "one "
    followed = await library.subscribe(task)
    assert ("one " in str(followed)) == (len(followed) == 3), "a snapshot, or new events alone"
    assert "two" in str(followed)
    assert text_of((await library.get(task))["artifacts"][0]["parts"]) == "one two"


async def test_task_is_continued_cancelled_and_unknown_ones_are_refused(library, raw):
    raw.script("ask", [SUBMITTED, status("input-required", "which?")])
    raw.script("this", [WORKING, artifact("a", text("thanks")), DONE])
    asked = await library.send("ask")
    assert (await library.send("this", asked["id"]))["id"] == asked["id"]
    with pytest.raises(Exception, match=r"terminal state|400"):
        await library.send("this", asked["id"])
    with pytest.raises(Exception, match=r"(?i)not found|404"):
        await library.get("nothing")
    raw.script("long", [SUBMITTED, {"hang": 1}], at_once=True)
    begun = await library.send("long")
    assert begun["status"]["state"].lower().endswith("submitted")
    stopped = await library.cancel(begun["id"])
    assert "CANCEL" in stopped["status"]["state"].upper()


async def test_streams_with_comments_crlf_and_many_lines(library, raw):
    steps = [
        {"comment": "hi"},
        SUBMITTED,
        {"comment": "still here"},
        artifact("a", text("x")),
        DONE,
    ]
    raw.script("sse", steps, reply={"eol": "\r\n", "lines": 1})
    assert len(await library.stream("sse")) == 3


async def test_error_status_drop_and_unstreamed(library, raw):
    raw.script("error", [{"error": {"name": "invalid-params", "message": "no thanks"}}])
    with pytest.raises(Exception, match=r"no thanks|400"):
        await library.send("error")
    raw.script("busy", [], reply={"status": 503, "body": "later"})
    with pytest.raises(Exception, match="503"):
        await library.send("busy")
    raw.script("drop", [], reply={"drop": 1})
    with pytest.raises(Exception, match=r"disconnected|communication"):
        await library.send("drop")
    raw.config(streaming=False)
    with pytest.raises(Exception, match=r"not stream|400"):
        await library.stream("all")
