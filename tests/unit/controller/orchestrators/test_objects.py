"""The objects of an Orchestrator and the conditions in its status."""

import base64
from datetime import UTC, datetime
from typing import Any

from hotpeers.base.names import NamespacedName
from hotpeers.controller.orchestrators.objects import (
    HubAddress,
    Outcome,
    is_ours,
    shared_secrets,
    status_change,
    token_secret,
    tool_server,
)
from hotpeers.model.hub_token import make_token
from hotpeers.model.orchestrator import Orchestrator, read_orchestrator

KEY = bytes(range(32))
ADDRESS = HubAddress("http://hub:8092/mcp", "60s")
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def orchestrator(name: str = "lead", **spec: Any) -> Orchestrator:
    metadata = {"name": name, "namespace": "team", "uid": f"uid-{name}", "generation": 4}
    return read_orchestrator({"metadata": metadata, "spec": spec})


def test_secret_has_the_token_and_belongs_to_its_orchestrator() -> None:
    one = orchestrator(tokenVersion=3)
    made = token_secret(one, KEY, ADDRESS)
    data = {name: base64.b64decode(value).decode() for name, value in made["data"].items()}
    token = make_token(KEY, "uid-lead", 3)
    assert data == {"token": token, "authorization": f"Bearer {token}", "url": ADDRESS.url}
    assert made["metadata"]["name"] == "lead-hotpeers-token"
    assert is_ours(made, one)
    assert not is_ours(made, orchestrator("other"))
    assert not is_ours({}, one)


def test_tool_server_sends_the_token_in_its_own_header() -> None:
    made = tool_server(orchestrator(tokenSecret="mine"), "kagent.dev/v1alpha2", ADDRESS)
    assert made["metadata"]["name"] == "lead-hotpeers"
    (header,) = made["spec"]["headersFrom"]
    assert header["name"] == "X-Hotpeers-Token"
    assert header["valueFrom"] == {"type": "Secret", "name": "mine", "key": "token"}


def test_secret_of_two_orchestrators_belongs_to_the_first_by_name() -> None:
    every = [
        orchestrator("b", tokenSecret="x"),
        orchestrator("a", tokenSecret="x"),
        orchestrator("c"),
    ]
    assert shared_secrets(every) == {NamespacedName("team", "b"): "a"}


def test_conditions_keep_the_time_of_their_last_transition_and_those_of_others() -> None:
    one = orchestrator()
    good = Outcome(ok=True, reason="TokenWritten", message="fine")
    first = status_change(one, {}, {"Ready": good}, NOW)
    (ready,) = first["conditions"]
    assert (ready["status"], ready["observedGeneration"]) == ("True", 4)
    assert ready["lastTransitionTime"] == "2026-11-29T12:00:00Z"
    later = NOW.replace(hour=13)
    assert status_change(one, first, {"Ready": good}, later) == {}
    other = {"type": "Other", "status": "True"}
    found = {**first, "conditions": [*first["conditions"], other]}
    bad = Outcome(ok=False, reason="TokenSecretTaken", message="no")
    changed = status_change(one, found, {"Ready": bad}, later)["conditions"]
    assert [it["type"] for it in changed] == ["Other", "Ready"]
    assert changed[1]["lastTransitionTime"] == "2026-11-29T13:00:00Z"
