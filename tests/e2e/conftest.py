"""The node, what runs beside it, and a namespace for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cluster.fixtures import tell
from cluster.gobuild import NoBinariesError
from cluster.namespaces import create_namespace
from cluster.resources import CRD_FILES, install_crd
from e2e.stage import RESTRICTED, Servers, Stage, controller_objects
from node.binaries import ensure_node_binaries
from node.images import NoWheelError, hotpeers_image, kagent_image, peer_image
from node.machine import NoNodeError
from node.node import Node

_PEER = Path(__file__).with_name("peer.py")
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def node(pytestconfig: pytest.Config) -> Iterator[Node]:
    """A node that has all images and knows the custom resources."""
    say = partial(tell, pytestconfig)
    try:
        binaries = ensure_node_binaries(say)
        images = [hotpeers_image(say), kagent_image(say), peer_image(_PEER, say)]
        running = Node(binaries, images, say)
    except (NoBinariesError, NoNodeError, NoWheelError) as error:
        pytest.exit(f"no node for the tests: {error}", returncode=1)
    try:
        running.start()
        for file in CRD_FILES:
            install_crd(running.api, file)
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def servers(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The scripted model, and what kagent's agents ask of kagent's controller."""
    running = Servers(tmp_path_factory.mktemp("servers"))
    running.start()
    for one in controller_objects():
        node.api.apply(one)
    yield
    running.close()


@pytest.fixture
def stage(node: Node, servers: None) -> Iterator[Stage]:
    """A namespace for this test alone."""
    node.check()
    namespace = f"test-{next(_NUMBERS)}"
    create_namespace(node.api, namespace, RESTRICTED)
    yield Stage(node.api, namespace)
    node.api.request("DELETE", f"/api/v1/namespaces/{namespace}")
