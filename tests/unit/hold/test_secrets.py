import hashlib
from typing import Any

import pytest

from hotpeers.hold.secrets import (
    MODELS,
    SERVERS,
    SecretsError,
    Source,
    audience_of,
    secrets_of,
    sources_of,
)


def agent(**declarative: Any) -> dict[str, Any]:
    spec = {"type": "Declarative", "declarative": {"modelConfig": "main", **declarative}}
    return {"metadata": {"namespace": "team", "name": "lead"}, "spec": spec}


def server(name: str, **more: str) -> dict[str, Any]:
    return {"type": "McpServer", "mcpServer": {"kind": "RemoteMCPServer", "name": name, **more}}


def names(found: tuple[Source, ...]) -> list[str]:
    return [f"{one.plural}/{one.namespace}/{one.name}" for one in found]


def test_order_is_that_of_kagent() -> None:
    found = sources_of(
        agent(
            tools=[
                server("b", apiGroup="kagent.dev"),
                {"type": "Agent", "agent": {"name": "other"}},
                server("a", namespace="tools"),
                server("b"),
            ],
            memory={"modelConfig": "embedding"},
            context={"compaction": {"summarizer": {"modelConfig": "small"}}},
        )
    )
    models = [f"{MODELS}/team/{name}" for name in ("main", "small", "embedding")]
    servers = [f"{SERVERS}/{place}" for place in ("team/b", "tools/a", "team/b")]
    assert names(found) == models + servers


@pytest.mark.parametrize("other", ["main", ""])
def test_summarizer_with_the_agents_model_counts_once(other: str) -> None:
    found = sources_of(agent(context={"compaction": {"summarizer": {"modelConfig": other}}}))
    assert names(found) == [f"{MODELS}/team/main"]
    assert names(sources_of(agent(memory={"modelConfig": "main"}))) == [f"{MODELS}/team/main"]


@pytest.mark.parametrize("kind", ["", "MCPServer", "Service"])
def test_servers_that_kagent_converts_have_no_hash(kind: str) -> None:
    tool = {"mcpServer": {"kind": kind, "name": "x"}}
    assert names(sources_of(agent(tools=[tool]))) == [f"{MODELS}/team/main"]


def test_byo_agent_has_no_sources_of_secrets() -> None:
    assert sources_of({"metadata": {"namespace": "team"}, "spec": {"type": "BYO"}}) == ()


def test_agent_with_endless_tools_is_refused() -> None:
    with pytest.raises(SecretsError, match="501"):
        sources_of(agent(tools=[server("a")] * 500))


def test_bytes_are_joined_in_order() -> None:
    first, second = (hashlib.sha256(one).hexdigest() for one in (b"1", b"2"))
    model, tools = Source(MODELS, "team", "main"), Source(SERVERS, "team", "a")
    assert secrets_of([(model, first), (tools, second)]) == first + second
    assert secrets_of([(model, ""), (tools, "not hex")]) == ""
    with pytest.raises(SecretsError):
        secrets_of([(model, "not hex")])


def test_audience_is_kagents() -> None:
    def admits(allowed: Any, labels: dict[str, str] | None = None) -> bool | None:
        found = audience_of({"spec": {"allowedNamespaces": allowed}})
        return found.admits("team", "tools", labels)

    assert admits(None) is False
    assert admits({}) is False
    assert admits({"from": "Same"}) is False
    assert admits({"from": "All"}) is True
    chosen = {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}
    assert admits(chosen, {"a": "b"}) is True
    assert admits(chosen, {"a": "c"}) is False
    with pytest.raises(SecretsError):
        admits({"from": "Others"})


@pytest.mark.parametrize(
    "name",
    ["", "..", "../../other/remotemcpservers/x", "a?b", "a%2fb", "a#b", "A", "x" * 254, "a\n"],
)
def test_names_that_would_lead_to_other_objects_are_refused(name: str) -> None:
    for odd in (
        agent(tools=[server(name)]),
        agent(tools=[server("a", namespace=name or "..")]),
        agent(modelConfig=name),
        agent(memory={"modelConfig": name}),
    ):
        with pytest.raises(SecretsError, match="no name"):
            sources_of(odd)
    assert names(sources_of(agent(modelConfig="gpt-4.1-mini"))) == [f"{MODELS}/team/gpt-4.1-mini"]
