"""The fixtures of the chart's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kit.apiserver.accounts import ServiceAccount
from kit.apiserver.client import Api
from kit.chart.fixtures import helm, helm_program

__all__ = ["helm", "helm_program"]


@pytest.fixture
def api(account: ServiceAccount) -> Iterator[Api]:
    """The API server, asked as the account of the module's own fixture `account`."""
    yield (made := Api(account.access))
    made.close()


@pytest.fixture
def admin(account: ServiceAccount) -> Api:
    """The same API server, asked as its administrator."""
    return account.cluster.api
