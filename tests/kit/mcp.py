"""The tools served as they are in use, over HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from hotpeers.mcp.server import serve
from hotpeers.mcp.settings import McpSettings
from kit.apiserver.kubeconfig import NOWHERE, write_kubeconfig
from kit.registries import FakeRegistry, running_registry


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with running_registry() as made:
        yield made


def settings(**changed: str) -> McpSettings:
    raw = dict.fromkeys(
        (
            "registry_token_file",
            "token_file",
            "peer_file",
            "ack_dir",
            "health_listen",
            "context",
            "namespace",
        ),
        "",
    )
    raw |= {"listen": "127.0.0.1:0", "log_format": "text", "log_level": "info"}
    raw |= {"orchestrator": "", "kubeconfig": "", "registry_url": "http://127.0.0.1:9"}
    return McpSettings.parse(**{**raw, **changed})


@asynccontextmanager
async def tools(wanted: McpSettings) -> AsyncIterator[Client]:
    """A client of the SDK, connected over HTTP to the real server."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve(wanted))
        yield await stack.enter_async_context(Client(f"http://127.0.0.1:{port}/mcp"))


@pytest.fixture
def serve_tools() -> Callable[[McpSettings], Any]:
    return tools


@pytest.fixture
def make_settings() -> Callable[..., McpSettings]:
    return settings


@pytest.fixture
def kubeconfig_of_nothing(tmp_path: Path) -> str:
    return str(write_kubeconfig(tmp_path / "kubeconfig", NOWHERE, namespace="here"))
