"""Sequences of events: in any order, no text is lost and none is invented."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hotpeers_shim.reply import Reply, State, Text, Transcript, parse_event, render

IDS = st.sampled_from(["a0", "a1", "a2"])
WORDS = st.text("abcdefgh .", min_size=1, max_size=6)
CHUNK = st.tuples(st.just("chunk"), IDS, WORDS, st.booleans())
SNAPSHOT = st.tuples(st.just("snapshot"), st.booleans())
STATUS = st.tuples(st.just("status"), st.none() | WORDS)
EVENTS = st.lists(CHUNK | SNAPSHOT | STATUS, max_size=20)


@dataclass
class Server:
    """The state of a task on an A2A server: it keeps the parts of each artifact in their order."""

    artifacts: dict[str, list[str]] = field(default_factory=dict)

    def task(self, *, with_artifacts: bool = True) -> dict[str, Any]:
        artifacts = [
            {"artifactId": name, "parts": [{"kind": "text", "text": part} for part in parts]}
            for name, parts in self.artifacts.items()
        ]
        status = {"state": "working"}
        task = {"kind": "task", "id": "t", "contextId": "c", "status": status}
        return {**task, "artifacts": artifacts} if with_artifacts else task


def events_of(script: list[Any], server: Server) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for kind, *rest in script:
        if kind == "chunk":
            name, text, append = rest
            parts = server.artifacts.setdefault(name, [])
            if not append:
                parts.clear()
            parts.append(text)
            artifact = {"artifactId": name, "parts": [{"kind": "text", "text": text}]}
            events.append(
                {"kind": "artifact-update", "taskId": "t", "append": append, "artifact": artifact}
            )
        elif kind == "snapshot":
            events.append(server.task(with_artifacts=rest[0]))
        else:
            status: dict[str, Any] = {"state": "working"}
            if rest[0] is not None:
                status["message"] = {"role": "agent", "parts": [{"kind": "text", "text": rest[0]}]}
            events.append({"kind": "status-update", "taskId": "t", "status": status})
    return events


def read(events: list[dict[str, Any]]) -> Reply:
    transcript = Transcript()
    for event in events:
        transcript.add(parse_event(event))
    return transcript.reply()


@given(EVENTS)
def test_stream_yields_the_artifacts_of_the_server(script: list[Any]) -> None:
    server = Server()
    streamed = read(events_of(script, server))
    assert [artifact.parts for artifact in streamed.artifacts] == [
        (Text("".join(parts)),) for parts in server.artifacts.values()
    ]
    # Read as one answer it is the same.
    assert read([server.task()]).artifacts == streamed.artifacts


@given(EVENTS)
def test_each_status_message_is_kept_in_order(script: list[Any]) -> None:
    reply = read(events_of(script, Server()))
    said = [rest[0] for kind, *rest in script if kind == "status" and rest[0] is not None]
    kept = [part.text for parts in reply.history for part in parts if isinstance(part, Text)]
    kept += [part.text for part in reply.message if isinstance(part, Text)]
    # A status without a message adds no text. Neither does the status of a snapshot.
    assert kept == said


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "kind",
                        "task",
                        "message",
                        "status",
                        "statusUpdate",
                        "artifactUpdate",
                        "artifact",
                        "artifacts",
                        "parts",
                        "text",
                        "data",
                        "file",
                        "state",
                        "history",
                        "metadata",
                        "bytes",
                        "id",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    )
)
def test_transcript_accepts_any_json(value: Any) -> None:
    transcript = Transcript()
    transcript.add(parse_event(value))
    assert isinstance(render(transcript.reply(), "x", limit=100), str)


def test_a_message_in_place_of_a_task_completes_the_exchange() -> None:
    reply = read(
        [
            {
                "kind": "message",
                "role": "agent",
                "contextId": "c",
                "parts": [{"kind": "text", "text": "hi"}],
            }
        ]
    )
    assert reply.state is State.COMPLETED
    assert reply.context_id == "c"
    assert reply.message == (Text("hi"),)
