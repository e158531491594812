"""The RemoteMCPServers of a namespace in a rendered manifest, read from a real API server."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.resources import MCP_SERVERS, install_crd, remove_crd
from kit.apiserver.server import Cluster


@pytest.fixture
def tool_server(cluster: Cluster, namespace: str, crds: list[str]) -> Iterator[str]:
    assert crds
    install_crd(cluster.api, MCP_SERVERS)
    made = {
        "apiVersion": "kagent.dev/v1alpha2",
        "kind": "RemoteMCPServer",
        "metadata": {"name": "words", "namespace": namespace},
        "spec": {"description": "", "url": "http://dict:80/mcp"},
    }
    cluster.api.create(made)
    found = [{"name": "define", "description": "x"}, {"name": "alter", "description": "y"}]
    cluster.api.patch(made, {"status": {"discoveredTools": found}}, subresource="status")
    yield namespace
    remove_crd(cluster.api, MCP_SERVERS)


@pytest.mark.parametrize(
    ("right", "tools", "unmapped"),
    [(True, ["alter", "define"], []), (False, None, ["mcpServers", "mcpServers[0]"])],
)
async def test_discovered_tools_are_named_with_the_right_to_read_them(
    right: bool,
    tools: Any,
    unmapped: list[str],
    tool_server: str,
    service_account: Callable[..., ServiceAccount],
    registry: Any,
    make_settings: Any,
    serve_tools: Any,
) -> None:
    rules = [rule("kagent.dev", "remotemcpservers", "list")] if right else []
    account = service_account(tool_server, "spawner", rules)
    wanted = make_settings(registry_url=registry.url, kubeconfig=str(account.kubeconfig()))
    async with serve_tools(wanted) as client:
        result = await client.call_tool("render_agent_manifest", {"name": "acme.translator"})
    made = result.structured_content
    assert not result.is_error
    found = yaml.safe_load(made["manifest"])["spec"]["declarative"].get("tools")
    assert (found[0]["mcpServer"]["toolNames"] if found else None) == tools
    assert [one["field"] for one in made["unmapped"]] == unmapped
