from contextlib import asynccontextmanager

import httpx
import pytest


@pytest.fixture
def client_of():
    """Call an application in this process as over HTTP."""

    @asynccontextmanager
    async def make(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://demo") as client:
            yield client

    return make
