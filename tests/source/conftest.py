"""A cluster source that is followed, on a real API server."""

import pytest

from cluster.server import Cluster
from source.following import Follow, following


@pytest.fixture
def follow(cluster: Cluster, namespace: str, crds: list[str]) -> Follow:
    """`async with follow() as source`: everything of the test's namespace."""
    return lambda **how: following(cluster.kubeconfig, [namespace], **how)
