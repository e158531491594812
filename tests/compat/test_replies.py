"""Every way in which a sub-agent can answer, from a peer that no SDK wrote: the model reads all of it."""

from typing import Any

import pytest
from harness import peer
from oracle import faults, fold
from rawkit import DONE, WAYS, artifact, text
from reply_cases import Case, table
from reply_sequences import MARK, Drawn, marks_of
from scripted import call, results

CASES = list(table())
GROUPS = 8
SEQUENCES = 40
NAME = "team__NS__weather"
ANSWER = "the answer to "


@pytest.fixture(scope="module")
def scripted(raw):
    """The raw peer with all scripts; the answer to a question ends its task."""
    raw.config()
    end = [artifact("thanks", text("Thank you.")), DONE]
    answers = {f"{ANSWER}{case.name}": {"do": end} for case in CASES}
    raw.scripts({case.name: case.script for case in CASES} | answers)
    return raw


def cases_of(way, group):
    """All cases over JSON-RPC, and every fourth over HTTP+JSON."""
    mine = CASES[group::GROUPS]
    return mine if way[0] == "JSONRPC" else mine[group % 4 :: 4]


async def heard(talk: Any, cases: list[Case]) -> dict[str, str]:
    """Result of the call for each case, all in one turn of one conversation."""
    asked = [
        name
        for case in cases
        for name in ([case.name, f"{ANSWER}{case.name}"] if case.waits else [case.name])
    ]
    events = await talk.turn("go", *(call(NAME, name) for name in asked), "end")
    found = dict(zip(asked, results(events), strict=True))
    assert events[-1].content.parts[0].text == "end"
    return found


async def saved_by(talk: Any) -> dict[str, bytes]:
    """The artifacts of the session."""
    where = {"app_name": "app", "user_id": "user", "session_id": talk.session_id}
    names = await talk.artifacts.list_artifact_keys(**where)
    return {
        name: (await talk.artifacts.load_artifact(filename=name, **where)).inline_data.data
        for name in names
    }


@pytest.mark.parametrize("group", range(GROUPS))
@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_the_model_reads_all_of_a_reply(peers, scripted, conversation, way, streaming, group):
    from google.adk.artifacts import InMemoryArtifactService

    cases = cases_of(way, group)
    peers.write(peer("weather", scripted, interfaces=[scripted.way(*way, streaming=streaming)]))
    # With streaming the sessions keep files, without it they have no place for them.
    talk = conversation(artifacts=InMemoryArtifactService() if streaming else None)
    found = await heard(talk, cases)
    saved = await saved_by(talk) if streaming else None
    wrong = [
        f"{case.name}: {'; '.join(faults_of_case)}\n    {found[case.name]!r}"
        for case in cases
        if (faults_of_case := faults(case, found[case.name], saved))
    ]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)
    check_answers(scripted, cases, found)


def check_answers(raw: Any, cases: list[Case], found: dict[str, str]) -> None:
    """The next call after a question went to the same task, and each reply was asked for once."""
    log = raw.log()
    for case in filter(lambda case: case.waits, cases):
        name = f"{ANSWER}{case.name}"
        (asked, answered) = ([e for e in log if e["text"] == t][-1] for t in (case.name, name))
        assert asked["taskId"] == "", case.name
        assert answered["taskId"].startswith("task-"), case.name
        assert "Thank you." in found[name], case.name


def invented(case: Case, result: str) -> list[str]:
    """Faults of the marks in a result: each expected mark must occur once, and no other."""
    whole = fold(case)
    results_there = [mark for parts in whole.artifacts.values() for mark in marks_of(parts)]
    said = marks_of(whole.message)
    before = [mark for parts in whole.history for mark in marks_of(parts)]
    due = [*results_there, *said] or before
    read = MARK.findall(result)
    # Text before a failure may be shown as a partial answer.
    may = set(due) | (set(before) if whole.state != "completed" and not results_there else set())
    lost, more = set(due) - set(read), set(read) - may
    twice = [mark for mark in set(read) if read.count(mark) > 1]
    return [
        f"{word}: {found}"
        for word, found in zip(("lost", "invented", "twice"), (lost, more, twice), strict=True)
        if found
    ]


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_no_text_is_lost_or_invented_in_any_event_sequence(
    peers, raw, conversation, way, streaming
):
    raw.config()
    drawn = Drawn(seed=WAYS.index(way) * 2 + streaming)
    cases = [drawn.case(f"drawn {at}", cuts=streaming) for at in range(SEQUENCES)]
    raw.scripts({case.name: case.script for case in cases})
    peers.write(peer("weather", raw, interfaces=[raw.way(*way, streaming=streaming)]))
    end = {"do": [artifact("thanks", text("Thank you.")), DONE]}
    raw.scripts({f"{ANSWER}{case.name}": end for case in cases})
    found = await heard(conversation(), cases)
    wrong = [
        f"{case.steps}\n    {'; '.join(bad)}\n    {found[case.name]!r}"
        for case in cases
        if (bad := invented(case, found[case.name]) + faults(case, found[case.name], None))
    ]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)


async def test_table_is_large_enough_and_its_oracle_finds_wrong_replies(scripted):
    assert len(CASES) > 250
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        assert faults(case, "", None), f"nothing at all is not right for {case.name}"
        assert faults(case, "Something else that is completed.", None), case.name
