"""Problems in the log: each new one, and `solved` only for problems that are solved."""

import json
import logging

import pytest

from hotpeers.base.problems import Problem, log_problems
from hotpeers.model.reasons import ModelReason
from hotpeers_shim.contract import Nack
from kit.sidecars import Sidecar
from kit.waiting import until

SYNTAX = Problem("a.yaml", ModelReason.NOT_YAML, "at line 3")
FIELD = Problem("a.yaml", Nack.WRONG_SHAPE, "is missing", 1, "spec.url")
OTHER = Problem("b.yaml", ModelReason.NOT_YAML, "at line 1")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([], [SYNTAX], [f"{SYNTAX}"]),
        ([SYNTAX], [], [f"solved: {SYNTAX}"]),
        ([SYNTAX], [Problem("a.yaml", ModelReason.NOT_YAML, "at line 4")], ["at line 4"]),
        ([FIELD], [SYNTAX], [f"{SYNTAX}"]),
        ([FIELD, SYNTAX], [FIELD], []),
        ([FIELD, OTHER], [OTHER], [f"solved: {FIELD}"]),
        ([OTHER], [OTHER], []),
    ],
)
def test_problem_is_logged_as_solved_when_its_subject_is_healthy(
    caplog: pytest.LogCaptureFixture, before: list[Problem], after: list[Problem], said: list[str]
) -> None:
    with caplog.at_level(logging.INFO):
        log_problems(before, after)
    assert len(caplog.messages) == len(said)
    assert all(part in line for part, line in zip(said, caplog.messages, strict=True))


def test_problem_of_a_removed_file_is_logged_as_gone(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_problems([SYNTAX, OTHER], [], lambda problem: problem is OTHER)
    assert caplog.messages == [f"gone: {SYNTAX}", f"solved: {OTHER}"]


def test_running_sidecar_logs_solved_problems(sidecar: Sidecar) -> None:
    def said(word: str) -> list[str]:
        lines = [json.loads(line)["message"] for line in sidecar.log.read_text().splitlines()]
        return [line for line in lines if line.startswith(f"{word}: ")]

    sidecar.put("a.yaml", "[")
    sidecar.put("b.yaml", "[")
    sidecar.put_peer("c", "")
    sidecar.start()
    until("three problems", lambda: len(sidecar.status()["problems"]) == 3)
    sidecar.put("a.yaml", "a: b")
    until("UnknownKind in the log", lambda: "UnknownKind" in sidecar.log.read_text())
    sidecar.put_peer("a", "", "http://127.0.0.1:8")
    (solved,) = until("the solved problem in the log", lambda: said("solved"))
    assert solved.startswith("solved: a.yaml document 1: ")
    (sidecar.peers / "b.yaml").unlink()
    until("the gone problem in the log", lambda: said("gone"))
    # Its address does not answer, and is of no matter any more.
    (sidecar.peers / "c.yaml").unlink()
    until("two gone problems in the log", lambda: len(said("gone")) == 2)
    sidecar.put("d.yaml", "[")
    until("the problem of d.yaml", lambda: "d.yaml" in str(sidecar.status()["problems"]))
    assert sidecar.stop() == 0
    assert [line.split(":")[1] for line in said("gone")] == [" b.yaml", " http"]
    assert len(said("solved")) == 1
