"""Headers that kagent's own tool sends to a sub-agent, and peers get too. Empty without kagent."""

import pytest
from harness import lacks, peer
from scripted import call

from hotpeers_shim import live

NAME = "team__NS__weather"

OPENAI = {"model": "scripted", "base_url": "http://127.0.0.1:9"}
DESCRIBED = {"description": "an orchestrator", "instruction": "none"}
INCOMING = {
    "authorization": "Bearer of-the-user",
    "x-kagent-root-context-id": "top",
    "cookie": "no",
}


def make_agent(monkeypatch, *, propagate):
    """An agent of kagent's configuration, made as kagent's command makes it."""
    from kagent.adk import types

    if not hasattr(types, "create_agent"):
        config = types.AgentConfig.model_validate(
            {"model": {"type": "openai", **OPENAI}, **DESCRIBED}
        )
        return config.to_agent("orchestrator", None, propagate)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    config = types.AgentConfig(**DESCRIBED)
    config.model.model = OPENAI["model"]
    config.model.openai.base_url = OPENAI["base_url"]
    return types.create_agent(config, "orchestrator", None, propagate)


async def sent_headers(peers, server, conversation, monkeypatch, *, propagate, allowed=True):
    make_agent(monkeypatch, propagate=propagate)
    peers.write(peer("weather", server, userHeaders=allowed))
    talk = conversation(state={"headers": INCOMING})
    text = f"echo {talk.session_id}"
    await talk.turn("go", call(NAME, text))
    return server.requests(text)[-1]["headers"]


@pytest.mark.on_kagent
@pytest.mark.needs("token")
async def test_users_token_is_forwarded_when_kagent_propagates_it(
    peers, server, conversation, runtime, monkeypatch
):
    headers = await sent_headers(peers, server, conversation, monkeypatch, propagate=True)
    assert headers["authorization"] == "Bearer of-the-user"
    assert headers["x-kagent-root-context-id"] == "top"
    assert "cookie" not in headers


@pytest.mark.on_kagent
@pytest.mark.needs("token")
async def test_users_token_is_not_forwarded_by_default(
    peers, server, conversation, runtime, monkeypatch
):
    headers = await sent_headers(peers, server, conversation, monkeypatch, propagate=False)
    assert "authorization" not in headers


@pytest.mark.on_kagent
@pytest.mark.needs("token")
async def test_user_headers_need_permission_of_the_peer_file(
    peers, server, conversation, runtime, monkeypatch
):
    headers = await sent_headers(
        peers, server, conversation, monkeypatch, propagate=True, allowed=False
    )
    assert not {"authorization", "x-user-id", "cookie"} & headers.keys()
    assert not [name for name in headers if name.endswith("-context-id")]


@pytest.mark.on_kagent
@pytest.mark.needs("kagent's tool")
async def test_the_private_names_of_kagents_tool_that_the_shim_uses_are_there(runtime):
    from kagent.adk._remote_a2a_tool import KAgentRemoteA2ATool

    tool = KAgentRemoteA2ATool(name="n", description="d", agent_card_url="http://127.0.0.1:9/card")
    assert tool._a2a_client is None
    assert tool._last_context_id
    assert callable(tool._handle_first_call)
    assert callable(tool._handle_resume)
    assert callable(tool._handle_input_required)


@pytest.mark.core
@pytest.mark.on_kagent
async def test_the_hook_into_kagent_is_there(peers, runtime, monkeypatch):
    """Of each version: no feature is named in the ack as missing."""
    if "token" not in lacks():
        make_agent(monkeypatch, propagate=True)
    assert [r for r in live.get().ack().refusals if r.reason == "FeatureMissing"] == []
