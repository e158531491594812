"""Searching and rendering over MCP, with a registry that is well, down, slow, or hostile."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from hotpeers.registry.client import Registry
from hotpeers.registry.fault import Fault
from hotpeers.registry.reasons import RegistryReason

Serve = Callable[[Any], Any]


async def call(client: Any, tool: str, /, **arguments: Any) -> tuple[bool, dict[str, Any]]:
    result = await client.call_tool(tool, arguments)
    return bool(result.is_error), result.structured_content or {"text": result.content[0].text}


@pytest.fixture
def asked(registry: Any, make_settings: Any, kubeconfig_of_nothing: str) -> Any:
    return make_settings(registry_url=registry.url, kubeconfig=kubeconfig_of_nothing)


async def test_tools_have_bounds_and_descriptions(asked: Any, serve_tools: Serve) -> None:
    async with serve_tools(asked) as client:
        listed = {one.name: one for one in (await client.list_tools()).tools}
    assert set(listed) == {
        "search_agents_agentregistry",
        "get_agent_spec",
        "render_agent_manifest",
        "k8s_apply_manifest",
        "wait_for_agent",
        "list_spawned_agents",
        "delete_spawned_agent",
        "run_ephemeral_agent",
    }
    for one in listed.values():
        assert one.description
        assert one.output_schema
    limit = listed["search_agents_agentregistry"].input_schema["properties"]["limit"]
    assert (limit["minimum"], limit["maximum"]) == (1, 50)


async def test_search_pages_to_the_end_and_ranks(
    registry: Any, asked: Any, serve_tools: Serve
) -> None:
    for number in range(600):
        registry.put("agents", f"filler-{number}", description="counts sheep")
    async with serve_tools(asked) as client:
        failed, found = await call(
            client, "search_agents_agentregistry", query="translate a document"
        )
        again, _ = await call(client, "search_agents_agentregistry", query="sheep", limit=3)
    assert not failed
    assert not again
    assert found["hits"][0]["name"] == "acme.translator"
    assert found["total"] == 601
    assert len([one for one in registry.asked if one.startswith("/v0/agents?")]) == 3


async def test_render_lists_the_fields_that_it_cannot_map(asked: Any, serve_tools: Serve) -> None:
    async with serve_tools(asked) as client:
        failed, made = await call(client, "render_agent_manifest", name="acme.translator")
    assert not failed
    assert "systemMessage: |" in made["manifest"]
    assert "name: acme-translator" in made["manifest"]
    assert {one["field"] for one in made["unmapped"]} == {"mcpServers", "mcpServers[0]"}


async def test_entry_that_is_too_large_is_not_read(registry: Any) -> None:
    large = json.dumps({"pad": "x" * 1_100_000})
    registry.fault = lambda _: web.Response(text=large)
    async with Registry(registry.url) as client:
        with pytest.raises(Fault, match="is larger than") as caught:
            await client.entry("agents", "acme.translator")
        assert caught.value.reason is RegistryReason.REGISTRY_ANSWER_BAD
        # A page of entries may be as large.
        assert [one async for one in client.pages("agents")] == [[]]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (web.Response(text="<html>", status=200), "RegistryAnswerBad"),
        (web.Response(body=b"[" * 100_000), "RegistryAnswerBad"),
        (web.Response(body=b"x" * 2_000_000), "RegistryAnswerBad"),
        (web.json_response({"items": 7}), "RegistryAnswerBad"),
        (web.json_response([1]), "RegistryAnswerBad"),
        (web.json_response({"detail": "go\u202e away"}, status=503), "RegistryFailed"),
        (web.Response(status=302, headers={"Location": "http://evil/"}), "RegistryFailed"),
        (web.Response(status=401), "RegistryFailed"),
    ],
)
async def test_garbage_is_a_clear_result(
    answer: web.Response, reason: str, registry: Any, asked: Any, serve_tools: Serve
) -> None:
    body = answer.body

    def fault(_: web.Request) -> web.Response:
        return web.Response(
            body=body,
            status=answer.status,
            headers={k: v for k, v in answer.headers.items() if k == "Location"},
        )

    registry.fault = fault
    async with serve_tools(asked) as client:
        for name, arguments in (
            ("search_agents_agentregistry", {"query": "x"}),
            ("get_agent_spec", {"name": "acme.translator"}),
            ("render_agent_manifest", {"name": "acme.translator"}),
        ):
            if name.startswith("search") and len(body or b"") == 2_000_000:
                continue  # a page may be that large; then it is no JSON, which is the case above
            failed, said = await call(client, name, **arguments)
            assert failed
            assert said["reason"] == reason
            assert said["advice"]
            assert "\u202e" not in said["message"]


async def test_registry_that_is_down_is_a_clear_result(
    make_settings: Any, serve_tools: Serve, kubeconfig_of_nothing: str
) -> None:
    async with serve_tools(make_settings(kubeconfig=kubeconfig_of_nothing)) as client:
        failed, said = await call(client, "search_agents_agentregistry", query="x")
    assert failed
    assert said["reason"] == "RegistryUnreachable"


async def test_unknown_name_leads_back_to_the_search(asked: Any, serve_tools: Serve) -> None:
    async with serve_tools(asked) as client:
        failed, said = await call(client, "get_agent_spec", name="nobody")
        bad, _ = await call(client, "get_agent_spec", name="../../etc")
    assert failed
    assert bad
    assert said["reason"] == "TemplateNotFound"
    assert "search_agents_agentregistry" in said["advice"]


async def test_cluster_that_is_down_is_a_clear_result(asked: Any, serve_tools: Serve) -> None:
    manifest = "apiVersion: kagent.dev/v1alpha2\nkind: Agent\nmetadata: {name: a}\n"
    async with serve_tools(asked) as client:
        failed, said = await call(client, "k8s_apply_manifest", manifest=manifest)
        unknown, whose = await call(client, "list_spawned_agents")
    assert (failed, said["reason"]) == (True, "ApiUnreachable")
    assert (unknown, whose["reason"]) == (True, "OrchestratorUnknown")


async def test_instructions_that_are_missing_make_no_agent(
    registry: Any, asked: Any, serve_tools: Serve
) -> None:
    registry.put(
        "agents", "lost", instructions={"kind": "Prompt", "name": "gone"}, source={"image": "a/b:1"}
    )
    async with serve_tools(asked) as client:
        failed, said = await call(client, "render_agent_manifest", name="lost")
    assert (failed, said["reason"]) == (True, "TemplateNotFound")


async def test_client_needs_the_configured_token(
    registry: Any, make_settings: Any, kubeconfig_of_nothing: str, tmp_path: Any
) -> None:
    import aiohttp

    from hotpeers.mcp.server import serve

    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    wanted = make_settings(
        registry_url=registry.url, kubeconfig=kubeconfig_of_nothing, token_file=str(secret)
    )
    async with serve(wanted) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        for header in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Basic s3cret"}):
            async with session.post(f"{url}/mcp", json={}, headers=header) as response:
                assert response.status == 401
        async with session.post(
            f"{url}/mcp", json={}, headers={"Authorization": "Bearer s3cret"}
        ) as response:
            assert response.status != 401
        async with session.get(f"{url}/healthz") as response:
            assert response.status == 200
        async with session.post(
            f"{url}/mcp", json={}, headers={"Authorization": "Bearer s3cret", "Host": "evil:1"}
        ) as response:
            assert response.status == 421


async def test_missing_registry_token_is_reported_and_read_when_it_appears(
    registry: Any,
    make_settings: Any,
    kubeconfig_of_nothing: str,
    serve_tools: Serve,
    tmp_path: Any,
) -> None:
    """As of a Secret that is not there yet: the tools are served, and say what they miss."""
    token = tmp_path / "token"
    settings = make_settings(
        registry_url=registry.url,
        kubeconfig=kubeconfig_of_nothing,
        registry_token_file=str(token),
    )
    async with serve_tools(settings) as client:
        failed, told = await call(client, "get_agent_spec", name="acme.translator")
        assert (failed, told["reason"]) == (True, "RegistryFailed")
        assert f"the token cannot be read from {token}: No such file" in told["message"]
        token.write_text("s3cret\n")
        failed, _ = await call(client, "get_agent_spec", name="acme.translator")
        assert not failed


async def test_slow_registry_does_not_delay_a_cached_search(registry: Any) -> None:
    from hotpeers.mcp.catalogue import Catalogue
    from hotpeers.registry.client import Registry

    now = [0.0]
    stuck = asyncio.Event()
    async with (
        Registry(registry.url) as client,
        Catalogue(client, patience=0.05, clock=lambda: now[0]) as catalogue,
    ):
        first = await asyncio.gather(*(catalogue.search("translator", 5) for _ in range(20)))
        assert len(registry.asked) == 1
        assert all(one.hits and not one.stale for one in first)
        registry.fault = lambda _: stuck.wait()
        now[0] = 100.0
        late = await catalogue.search("translator", 5)
        assert late.hits
        assert late.stale
        assert late.age == 100.0
        stuck.set()
        registry.fault = lambda _: web.Response(status=500)


async def test_last_good_catalogue_stays_when_the_registry_fails(registry: Any) -> None:
    from hotpeers.mcp.catalogue import Catalogue
    from hotpeers.registry.client import Registry

    now = [0.0]
    async with (
        Registry(registry.url) as client,
        Catalogue(client, patience=60.0, clock=lambda: now[0]) as catalogue,
    ):
        assert (await catalogue.search("translator", 5)).total == 1
        registry.fault = lambda _: web.Response(status=500)
        now[0] = 100.0
        failed = await catalogue.search("translator", 5)
        assert failed.hits
        assert "status 500" in failed.stale
        asked = len(registry.asked)
        await catalogue.search("translator", 5)
        assert len(registry.asked) == asked, "a registry that is down is left alone for a while"
        registry.fault = None
        registry.put("agents", "another", description="translator too")
        now[0] = 106.0
        again = await catalogue.search("translator", 5)
        assert (again.total, again.stale) == (2, "")


async def test_hostile_entries_are_cleaned_or_skipped(registry: Any) -> None:
    from hotpeers.mcp.catalogue import Catalogue
    from hotpeers.registry.client import Registry

    registry.put("agents", "sly", description="zebra \u202e\x00\n" + "x" * 5000)
    for name in ("../x", "A B", "a" * 300, "", None, 7):
        registry.put("agents", name, description="zebra")
    registry.entries["agents"] += [None, 7, [], {"metadata": {}}, {"spec": {}}]
    registry.put("agents", "odd", description={"a": 1})
    async with Registry(registry.url) as client, Catalogue(client) as catalogue:
        found = await catalogue.search('zebra" OR name:* NEAR( -x', 10)
    assert [one.agent.metadata.name for one, _ in found.hits] == ["sly"]
    assert found.refused == 12
    text = found.hits[0][0].agent.spec.description
    assert len(text) == 1000
    assert text.startswith("zebra x")


async def test_endless_pages_are_refused(registry: Any) -> None:
    from hotpeers.mcp.catalogue import Catalogue
    from hotpeers.registry.client import Registry
    from hotpeers.registry.fault import Fault

    registry.fault = lambda _: web.json_response({"items": [], "nextCursor": "again"})
    async with Registry(registry.url) as client, Catalogue(client) as catalogue:
        with pytest.raises(Fault, match="leads back"):
            await catalogue.search("x", 1)
    assert len(registry.asked) == 2


async def test_registry_that_hangs_is_given_up(registry: Any) -> None:
    import aiohttp

    from hotpeers.registry.client import Registry
    from hotpeers.registry.fault import Fault
    from hotpeers.registry.reasons import RegistryReason

    stuck = asyncio.Event()
    registry.fault = lambda _: stuck.wait()
    async with Registry(registry.url, timeout=aiohttp.ClientTimeout(total=0.2)) as client:
        with pytest.raises(Fault, match=r"no answer within 0\.2 s") as caught:
            await client.entry("agents", "acme.translator")
    assert caught.value.reason is RegistryReason.REGISTRY_UNREACHABLE
    stuck.set()
    registry.fault = lambda _: web.Response(status=500)
