"""One cluster with the guard for the whole corpus. Tests that stop controllers start their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.admission.scene import Scene, scene
from cluster.admission.targets import set_up
from kit.apiserver.client import Api
from kit.apiserver.server import Cluster
from kit.spawning import byo, declarative


@pytest.fixture(scope="session")
def guarded(cluster_binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A cluster of its own with one controller, and things of others in it."""
    cluster = Cluster(cluster_binaries)
    try:
        with scene(cluster, tmp_path_factory.mktemp("guarded")) as made:
            made.api.create(declarative("worker-human"))
            set_up(made.api)
            yield made
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def lead(guarded: Scene) -> Api:
    """The API as the governed `team/lead`, which has spawned `worker-a` and `worker-b`."""
    api = guarded.govern("lead")
    api.create(declarative("worker-a"))
    api.create(byo("worker-b"))
    return api
