from collections.abc import AsyncIterator

import pytest

from kit.registries import FakeRegistry, running_registry


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with running_registry() as made:
        yield made
