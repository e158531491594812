"""A real one-node Kubernetes for benchmarks: kagent's kinds, the scripted servers, and hotpeers installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from e2e.backing import Servers, controller_objects
from e2e.release import Release
from kit.apiserver.resources import AGENTS, MCP_SERVERS, MODEL_CONFIGS, install_crd
from kit.chart.binaries import ensure_helm
from kit.chart.helm import Helm
from kit.node.binaries import ensure_node_binaries
from kit.node.images import hotpeers_image, kagent_image, peer_image
from kit.node.node import Node

PEER = Path(__file__).resolve().parents[1] / "tests/e2e/peer.py"


def say(text):
    """Print a line of progress; the figures alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def start_node(stack, folder):
    """Start it, for as long as the ExitStack lives; logs of the servers go to the folder."""
    images = [hotpeers_image(say), kagent_image(say), peer_image(PEER, say)]
    node = Node(ensure_node_binaries(say), images, say)
    stack.callback(node.close)
    node.start()
    for definition in (AGENTS, MODEL_CONFIGS, MCP_SERVERS):
        install_crd(node.api, definition)
    servers = Servers(folder)
    stack.callback(servers.close)
    servers.start()
    for one in controller_objects():
        node.api.apply(one)
    release = Release(node.api, Helm(ensure_helm(say), node.kubeconfig))
    release.prepare()
    release.install()
    return node
