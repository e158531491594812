"""A cluster source that is followed, on a real API server."""

import pytest

from cluster.sidecar.sources.following import Follow, following
from kit.apiserver.server import Cluster


@pytest.fixture
def follow(cluster: Cluster, namespace: str, crds: list[str]) -> Follow:
    """`async with follow() as source`: everything of the test's namespace."""
    return lambda **how: following(cluster.kubeconfig, [namespace], **how)
