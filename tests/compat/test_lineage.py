"""The lineage of calls, in an agent's process: what is sent to a peer, and which calls are refused."""

import json
import uuid
from typing import Any

import pytest
from harness import A2A, peer
from rawkit import DONE, SUBMITTED, WAYS, artifact, text
from scripted import call, results

from hotpeers_shim.adapters import incoming
from hotpeers_shim.lineage import EXTENSION, HEADER, METADATA_KEY
from kit.waiting import until_async

pytestmark = pytest.mark.core
NAME = "team__NS__weather"
ME = "team/boss"
ANSWER = [SUBMITTED, artifact("a", text("sunny")), DONE]


def offer(peers, *entries, me=ME):
    peers.raw(json.dumps({**peers.document(*entries), "orchestrator": me}).encode())


def entry(raw, way=WAYS[0], **more):
    return peer("weather", raw.url, interfaces=[raw.way(*way)], userHeaders=True, **more)


def came_with(header: str) -> None:
    """From here on, this test is a request with this header."""
    incoming.note_request({"headers": [(b"x-hotpeers-lineage", header.encode())]})


def sent(raw, key) -> tuple[Any, Any, Any]:
    """The chain in the metadata, the extensions and the header of the message `key`."""
    (found,) = raw.log(text=key)
    body = found["body"]
    message = body.get("params", body).get("message") or body["request"]
    metadata = message.get("metadata") or {}
    assert set(metadata) <= {METADATA_KEY, "kagent_type"}, metadata
    return metadata.get(METADATA_KEY), message.get("extensions"), found["headers"].get(HEADER)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_lineage_is_sent_in_metadata_and_header(peers, raw, conversation, runtime, way):
    raw.config()
    offer(peers, entry(raw, way))
    came_with("team/first")
    key = raw.script(f"sent-{runtime}-{'-'.join(way)}", ANSWER)
    said = results(await conversation().turn("go", call(NAME, key)))
    assert "sunny" in said[0]
    chain = ["team/first", ME]
    names, extensions, header = sent(raw, key)
    assert (names, header) == (chain, ",".join(chain))
    # The oldest a2a-sdk leaves `extensions` out of HTTP+JSON.
    assert extensions == [EXTENSION] or (extensions is None and way == ("HTTP+JSON", "0.3"))


async def test_agent_that_begins_a_chain_sends_its_own_name(peers, raw, conversation, runtime):
    raw.config()
    offer(peers, entry(raw))
    key = raw.script(f"first-{runtime}", ANSWER)
    await conversation().turn("go", call(NAME, key))
    assert sent(raw, key) == ([ME], [EXTENSION], ME)


async def test_foreign_origin_gets_no_lineage(peers, raw, conversation, runtime):
    raw.config()
    offer(peers, {**entry(raw), "userHeaders": False})
    came_with("team/first")
    key = raw.script(f"foreign-{runtime}", ANSWER)
    said = results(await conversation().turn("go", call(NAME, key)))
    assert "sunny" in said[0]
    assert sent(raw, key) == (None, None, None)


async def test_agent_without_a_name_counts_in_the_chain(peers, raw, conversation, runtime):
    raw.config()
    offer(peers, entry(raw), me="")
    came_with("team/first")
    key = raw.script(f"unnamed-{runtime}", ANSWER)
    await conversation().turn("go", call(NAME, key))
    assert sent(raw, key)[0] == ["team/first", "-"]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("team/weather", "CallLoop"),
        ("team/boss,team/other", "CallLoop"),
        (",".join(f"team/a{n}" for n in range(8)), "CallTooDeep"),
    ],
    ids=["the peer waits", "this agent waits", "too deep"],
)
async def test_call_is_refused_before_anything_is_sent(
    peers, raw, conversation, runtime, header, reason
):
    raw.config()
    offer(peers, entry(raw))
    came_with(header)
    key = raw.script(f"refused-{runtime}-{header[:12]}", ANSWER)
    (said,) = results(await conversation().turn("go", call(NAME, key)))
    assert said.startswith(f"Agent {NAME} was not called, and nothing was sent: ")
    assert "Do the work yourself" in said
    assert " -> " in said
    assert raw.log(text=key) == []

    def failure():
        ack = peers.ack()
        return next((one for one in ack.failures if one.subject == NAME), None) if ack else None

    found = await until_async("the failure in the ack", failure)
    assert found.reason == reason


async def test_refused_call_keeps_the_question_of_the_peer(peers, raw, conversation, runtime):
    """The next call that is made continues the task that waits."""
    raw.config(contexts="invent")
    offer(peers, entry(raw))
    ask, refused, more = (f"{what}-{runtime}" for what in ("ask", "refused", "more"))
    waiting = {"status": "input-required", "say": text("which town?")}
    raw.script(ask, [SUBMITTED, waiting])
    raw.script(more, [artifact("a", text("thanks")), DONE])
    talk = conversation()
    assert "which town?" in results(await talk.turn("go", call(NAME, ask)))[0]
    came_with("team/weather")
    assert "was not called" in results(await talk.turn("go", call(NAME, refused)))[0]
    came_with("")
    assert "thanks" in results(await talk.turn("go", call(NAME, more)))[0]
    first, last = raw.log(text=ask), raw.log(text=more)
    assert last[0]["taskId"]
    assert last[0]["contextId"]
    assert len(first) == 1


def user_message(lineage: list[str], task_id: str) -> Any:
    """The argument of `on_message_send` of this environment's a2a-sdk."""
    ids = {"messageId": uuid.uuid4().hex, "contextId": "c", "metadata": {METADATA_KEY: lineage}}
    ids |= {"taskId": task_id} if task_id else {}
    if A2A < (1, 0):
        from a2a.types import MessageSendParams

        part = {"kind": "text", "text": "go"}
        return MessageSendParams.model_validate(
            {"message": {"role": "user", "parts": [part], **ids}}
        )
    from a2a.types import SendMessageRequest
    from google.protobuf.json_format import ParseDict

    message = {"role": "ROLE_USER", "parts": [{"text": "go"}], **ids}
    return ParseDict({"message": message}, SendMessageRequest())


def waiting_task(context: Any) -> Any:
    """The task of a request, which waits for the next message."""
    ids = {"id": context.task_id, "contextId": context.context_id}
    if A2A < (1, 0):
        from a2a.types import Task

        return Task.model_validate({**ids, "status": {"state": "input-required"}})
    from a2a.types import Task
    from google.protobuf.json_format import ParseDict

    return ParseDict({**ids, "status": {"state": "TASK_STATE_INPUT_REQUIRED"}}, Task())


def handler_of(executor: Any) -> Any:
    from a2a.server.request_handlers import DefaultRequestHandler
    from a2a.server.tasks import InMemoryTaskStore

    if A2A < (1, 0):
        return DefaultRequestHandler(executor, InMemoryTaskStore())
    from a2a.types import AgentCard

    return DefaultRequestHandler(executor, InMemoryTaskStore(), AgentCard(name="x"))


async def test_each_message_of_a_task_has_its_own_lineage(runtime):
    """In a2a-sdk 1.x one asyncio task runs the executor for all messages of an A2A task."""
    from a2a.server.agent_execution import AgentExecutor
    from a2a.server.context import ServerCallContext

    found = []

    class Executor(AgentExecutor):
        async def execute(self, context: Any, event_queue: Any) -> None:
            found.append(incoming.current().names)
            await event_queue.enqueue_event(waiting_task(context))

        async def cancel(self, context: Any, event_queue: Any) -> None: ...

    class Derived(Executor):
        async def execute(self, context: Any, event_queue: Any) -> None:
            await super().execute(context, event_queue)

    handler, task_id = handler_of(Derived()), ""
    chains = [["team/a"], ["team/b", "team/c"], []]
    for chain in chains:
        answer = await handler.on_message_send(user_message(chain, task_id), ServerCallContext())
        task_id = answer.id
    assert found == [tuple(chain) for chain in chains]
