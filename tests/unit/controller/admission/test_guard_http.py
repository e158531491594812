"""The guard over HTTP: a decision is an answer, and a fault an error that refuses."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from hotpeers.base.errors import GovernError
from hotpeers.controller.admission import guard as webhook
from hotpeers.controller.admission.confirmation import NotReadyError
from hotpeers.controller.admission.decider import Verdict
from hotpeers.controller.admission.guard import Guard, last_denial, told_of
from hotpeers.controller.metrics import ControllerMetrics
from hotpeers.controller.port.intake import make_app
from hotpeers.controller.quota.ledgers import CountsError
from hotpeers.controller.reasons import ControllerReason
from hotpeers.kube.errors import ForbiddenError, UnreachableError
from hotpeers.spawnpolicy.decision import Decision, Denial
from hotpeers.spawnpolicy.reasons import PolicyReason
from hotpeers.spawnpolicy.request import Phase, Subject
from hotpeers.spawnpolicy.review import MAX_BYTES, Review, read_review
from kit.spawning import POLICY, create, declarative, edited, policy
from kit.waiting import until_async

LEAD = Subject("team", "lead", "account-uid", "lead", "agent-uid")
PROMPT = "the prompt of a customer"


def body(**changes: Any) -> bytes:
    request = {
        "uid": "1",
        "operation": "CREATE",
        "resource": {"group": "kagent.dev", "version": "v1alpha2", "resource": "agents"},
        "namespace": "team",
        "name": "worker-a",
        "userInfo": {"username": "system:serviceaccount:team:lead", "uid": "account-uid"},
        "object": {**declarative(), "spec": {"declarative": {"systemMessage": PROMPT}}},
        **changes,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    return json.dumps({**review, "request": request}).encode()


class Asked:
    """A guard with a scripted verdict: it returns it, raises it, or never answers."""

    def __init__(self, outcome: Verdict | Exception | None) -> None:
        self.outcome = outcome
        self.metrics = ControllerMetrics()
        self.deciding = 0
        self.noted: list[tuple[Review, Verdict, Denial]] = []
        guard = Guard(self._judge, self.metrics, self._note, lambda: False)
        self.app = make_app()
        guard.add_to(self.app)

    async def _judge(self, review: Review) -> Verdict:
        self.deciding += 1
        if self.outcome is None:
            await asyncio.Event().wait()
            raise AssertionError
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def _note(self, review: Review, verdict: Verdict, denial: Denial) -> None:
        self.noted.append((review, verdict, denial))

    async def post(self, phase: str, raw: bytes) -> tuple[int, str]:
        async with TestClient(TestServer(self.app)) as client:
            answer = await client.post(f"/guard/{phase}", data=io.BytesIO(raw))
            return answer.status, await answer.text()

    def counted(self, **labels: str) -> float:
        name = "hotpeers_guard_requests_total"
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    logger = logging.getLogger("hotpeers.audit")
    logger.propagate = True
    caplog.set_level(logging.INFO, logger.name)

    def read() -> list[dict[str, Any]]:
        found = [one for one in caplog.records if one.name == logger.name]
        return [json.loads(one.message) for one in found]

    return read


async def test_slow_decision_is_answered_before_the_api_server_times_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The answer names the reason. The API server cannot report one for a webhook that times out.
    assert webhook._ANSWER_SECONDS < 5.0
    monkeypatch.setattr(webhook, "_ANSWER_SECONDS", 0.05)
    async with asyncio.timeout(30.0):
        found, text = await Asked(None).post("validate", body())
    assert (found, "it took too long" in text) == (500, True)


FAULTS: dict[str, tuple[Exception, str]] = {
    "not ready": (NotReadyError("agents are not known yet"), "GuardNotReady"),
    "no answer in time": (TimeoutError(), "GuardFailed"),
    "API server down": (UnreachableError("refused"), "ApiUnreachable"),
    "no right": (ForbiddenError("cannot get services", 403), "Forbidden"),
    "counts unknown": (CountsError("busy", ControllerReason.COUNTS_BUSY), "CountsBusy"),
    "cannot govern": (GovernError("no configuration"), "GuardFailed"),
    "a bug": (KeyError(PROMPT), "GuardFailed"),
}


@pytest.mark.parametrize("phase", ["mutate", "validate"])
@pytest.mark.parametrize("name", FAULTS)
async def test_fault_is_an_error_of_one_line(
    name: str, phase: str, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    error, reason = FAULTS[name]
    asked = Asked(error)
    found, text = await asked.post(phase, body())
    assert found == 500
    assert f"({reason})" in text
    assert "\n" not in text
    assert PROMPT not in text
    assert asked.counted(operation="CREATE", decision="failed", reason=reason) == 1
    (line,) = lines()
    assert line["allowed"] is False
    assert line["denials"] == [{"reason": reason, "field": ""}]
    assert asked.noted == []


@pytest.mark.parametrize(
    ("raw", "status"),
    [(b"", 400), (b"{}", 400), (body(operation="PATCH"), 400), (b" " * (MAX_BYTES + 1), 400)],
)
async def test_malformed_review_is_refused(raw: bytes, status: int) -> None:
    asked = Asked(Verdict(Decision(allowed=True)))
    found, text = await asked.post("validate", raw)
    assert found == status
    assert "allowed" not in text
    assert asked.counted(operation="", decision="failed", reason="ReviewInvalid") == 1


DENIAL = Denial(
    PolicyReason.FIELD_MALFORMED, "spec.declarative.systemMessage", f'"{PROMPT}" is given'
)
DENIED = Verdict(Decision(allowed=False, policy="team/workers", denials=(DENIAL,)), LEAD, "Enforce")


@pytest.mark.parametrize("phase", ["mutate", "validate"])
async def test_denial_is_logged_without_values_of_the_object(
    phase: str, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    asked = Asked(DENIED)
    status, text = await asked.post(phase, body(dryRun=True))
    assert status == 200
    assert json.loads(text)["response"]["allowed"] is False
    assert asked.counted(operation="CREATE", decision="denied", reason="FieldMalformed") == 1
    (line,) = lines()
    assert line | {"time": ""} == {
        "time": "",
        "logger": "hotpeers.audit",
        "request": "1",
        "user": "system:serviceaccount:team:lead",
        "agent": "team/lead",
        "operation": "CREATE",
        "resource": "agents.kagent.dev/v1alpha2",
        "namespace": "team",
        "name": "worker-a",
        "dryRun": True,
        "phase": "Mutating" if phase == "mutate" else "Validating",
        "policy": "team/workers",
        "mode": "Enforce",
        "allowed": False,
        "denials": [{"reason": "FieldMalformed", "field": "spec.declarative.systemMessage"}],
    }
    ((review, verdict, denial),) = asked.noted
    told = told_of(review, verdict, denial, "policy-uid")
    assert told.note == (
        "team/lead may not CREATE agents.kagent.dev/v1alpha2 team/worker-a: "
        "FieldMalformed at spec.declarative.systemMessage"
    )
    assert PROMPT not in str(told)
    assert PROMPT not in str(last_denial(review, verdict, denial))
    assert last_denial(review, verdict, denial).message == (
        "spec.declarative.systemMessage: The field has the wrong type or an invalid value"
        " (FieldMalformed)"
    )


MARK = "word-of-a-customer"
MARKED: dict[str, Any] = {
    "spec.description": f"{MARK}\u200b",
    "spec.declarative.systemMessage": f"{MARK}\u200b",
    "spec.declarative.modelConfig": MARK,
    "spec.declarative.runtime": MARK,
    "spec.declarative.memory": MARK,
    "spec.declarative.tools": [
        {"type": "McpServer", "mcpServer": {"name": MARK, "toolNames": [MARK]}},
        {
            "type": "McpServer",
            "mcpServer": {"name": "asked", "kind": "RemoteMCPServer", "toolNames": [MARK]},
        },
        {"type": "Agent", "agent": {"name": MARK}},
    ],
    "spec.declarative.deployment.env": [
        {"name": "SEED", "value": f"{MARK}\n"},
        {"name": "LOG_LEVEL", "value": f"$({MARK})"},
        {"name": MARK, "value": MARK},
    ],
    "spec.declarative.deployment.resources.limits.cpu": MARK,
    "spec.declarative.deployment.securityContext.privileged": MARK,
    "spec.skills.refs": [MARK],
    "spec.allowedNamespaces": {"from": MARK},
    "metadata.labels.team": MARK,
    'metadata.annotations["hotpeers.dev/ttl"]': MARK,
    'metadata.annotations["hotpeers.dev/template"]': MARK,
    'metadata.annotations["hotpeers.dev/policy"]': MARK,
}


async def test_status_holds_the_whole_denial_and_no_value() -> None:
    asked = Asked(DENIED)
    await asked.post("mutate", body())
    ((review, _, _),) = asked.noted
    for one in (POLICY, policy(podSecurity="restricted")):
        decision = create(edited(declarative(), *MARKED.items()), one)
        assert len(decision.denials) > len(MARKED)
        assert MARK in decision.message
        for denial in decision.denials:
            message = last_denial(review, Verdict(decision, LEAD, "Enforce"), denial).message
            assert MARK not in message
            assert message.startswith(f"{denial.path}: ")
            assert f"({denial.reason}); allowed: {denial.allowed}" in message
            assert message.endswith(f"; and {len(decision.denials) - 1} more")


def test_message_of_the_status_is_bounded() -> None:
    long = Denial(PolicyReason.MODEL_NOT_ALLOWED, "p" * 900, "", "a" * 900)
    verdict = Verdict(Decision(allowed=False, denials=(long, long)), LEAD, "Enforce")
    review = read_review(body(), Phase.MUTATING)
    message = last_denial(review, verdict, long).message
    assert len(message) <= 1024
    assert message.endswith("; and 1 more")


async def test_admission_is_logged_and_counted_once(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    asked = Asked(Verdict(Decision(allowed=True, policy="team/workers"), LEAD, "Enforce"))
    await asked.post("mutate", body())
    assert lines() == []
    await asked.post("validate", body())
    (line,) = lines()
    assert (line["allowed"], line["denials"]) == (True, [])
    assert asked.counted(operation="CREATE", decision="allowed", reason="") == 1


async def test_request_denied_under_audit_is_reported_and_allowed() -> None:
    decision = Decision(allowed=True, policy="team/workers", denials=(DENIAL,))
    asked = Asked(Verdict(decision, LEAD, "Audit"))
    _, text = await asked.post("validate", body())
    assert json.loads(text)["response"]["allowed"] is True
    assert asked.counted(operation="CREATE", decision="audited", reason="FieldMalformed") == 1
    ((review, verdict, denial),) = asked.noted
    assert "would be denied (audit mode)" in told_of(review, verdict, denial, "uid").note


async def test_subject_that_asks_too_much_at_once_is_refused_alone() -> None:
    asked = Asked(None)
    more = webhook._AT_ONCE + webhook._WAITING
    other = body(userInfo={"username": "system:serviceaccount:team:other", "uid": "2"})
    async with TestClient(TestServer(asked.app)) as client:

        async def post(raw: bytes) -> tuple[int, dict[str, Any]]:
            answer = await client.post("/guard/validate", data=io.BytesIO(raw))
            return answer.status, json.loads(await answer.text())

        waiting = [asyncio.create_task(post(body())) for _ in range(more)]
        await until_async(
            "as many decisions at once as are allowed", lambda: asked.deciding >= webhook._AT_ONCE
        )
        async with asyncio.timeout(30.0):
            while (found := await post(body()))[1]["response"]["allowed"]:
                pass
            status, review = found
            assert (status, review["response"]["status"]["code"]) == (200, 429)
            assert "send fewer at once" in review["response"]["status"]["message"]
            asked.outcome = Verdict(Decision(allowed=True))
            assert (await post(other))[1]["response"]["allowed"] is True
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize(
    "value", [[0] * 60_000, json.loads("[" * 70 + "]" * 70)], ids=["many", "deep"]
)
async def test_oversized_object_is_denied_with_a_reason(value: Any) -> None:
    asked = Asked(Verdict(Decision(allowed=True)))
    found, text = await asked.post("validate", body(object={"spec": value}))
    response = json.loads(text)["response"]
    assert (found, response["uid"], response["allowed"]) == (200, "1", False)
    assert "(ReviewInvalid)" in response["status"]["message"]
    assert asked.counted(operation="", decision="failed", reason="ReviewInvalid") == 1


async def test_many_accounts_of_one_namespace_do_not_delay_other_namespaces() -> None:
    """Each has few requests; together they would take all decisions at once."""
    slow = asyncio.Event()
    asked = Asked(Verdict(Decision(allowed=True)))
    judge = asked._judge

    async def counted(review: Review) -> Verdict:
        if ":crowd:" in review.username:
            asked.deciding += 1
            await slow.wait()
        return await judge(review)

    asked.app = make_app()
    Guard(counted, asked.metrics, asked._note, lambda: False).add_to(asked.app)
    async with TestClient(TestServer(asked.app)) as client:

        def post(user: str) -> asyncio.Task[Any]:
            raw = body(userInfo={"username": user, "uid": "1"})
            return asyncio.ensure_future(client.post("/guard/mutate", data=io.BytesIO(raw)))

        crowd = [post(f"system:serviceaccount:crowd:a{number}") for number in range(90)]
        await until_async(
            "as many of the crowd to be decided as are allowed at once",
            lambda: asked.deciding >= webhook._OF_A_NAMESPACE,
        )
        async with asyncio.timeout(20):
            answers = [await post("system:serviceaccount:team:lead") for _ in range(5)]
        assert [one.status for one in answers] == [200] * 5
        for one in answers:
            assert json.loads(await one.text())["response"]["allowed"]
        assert asked.deciding == webhook._OF_A_NAMESPACE + 5
        slow.set()
        await asyncio.gather(*crowd)
