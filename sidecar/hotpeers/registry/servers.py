"""The tool servers in a namespace of the cluster."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ..base.parts import part
from ..kube.client import Client
from ..kube.errors import KubeError
from ..kube.listwatch import list_pages
from .fault import fault_of
from .manifest import ToolServer


async def tool_servers(client: Client, namespace: str) -> list[ToolServer]:
    """The RemoteMCPServers of a namespace. Needs the right to list them. Raises `Fault`."""
    path = f"/apis/kagent.dev/v1alpha2/namespaces/{quote(namespace, safe='')}/remotemcpservers"
    found: list[ToolServer] = []
    try:
        async for page in list_pages(client, path, {}):
            found += [_tool_server(one) for one in page.items]
    except KubeError as error:
        raise fault_of(error, f"the RemoteMCPServers of {namespace}") from error
    return found


def _tool_server(data: Any) -> ToolServer:
    tools = part(data, "status").get("discoveredTools") or []
    return ToolServer(
        str(part(data, "metadata").get("name")),
        str(part(data, "spec").get("url") or ""),
        tuple(str(part(one).get("name")) for one in tools if part(one).get("name")),
    )
