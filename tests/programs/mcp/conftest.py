"""The tools served as they are in use, over HTTP."""

from collections.abc import AsyncIterator

import pytest

from kit.mcp import kubeconfig_of_nothing, make_settings, registry, serve_tools
from kit.raw_peer import RawPeer, running_peer

__all__ = ["kubeconfig_of_nothing", "make_settings", "registry", "serve_tools"]


@pytest.fixture
async def peer() -> AsyncIterator[RawPeer]:
    async with running_peer() as made:
        yield made
