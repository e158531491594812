"""The node, the servers beside it, and a namespace for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from e2e.backing import Servers, controller_objects
from e2e.crew import Crew
from e2e.reconciler import Reconciler
from e2e.registry import Registry
from e2e.release import Release
from e2e.stage import BASELINE, Stage, make_stage
from e2e.team import Team
from e2e.timings import Timings
from kit.apiserver.fixtures import tell
from kit.apiserver.gobuild import NoBinariesError
from kit.apiserver.resources import AGENTS, MCP_SERVERS, MODEL_CONFIGS, install_crd
from kit.chart.binaries import ensure_helm
from kit.chart.helm import Helm
from kit.node.binaries import ensure_node_binaries
from kit.node.images import NoWheelError, custom_image, hotpeers_image, kagent_image, peer_image
from kit.node.machine import NoNodeError
from kit.node.node import Node

_PEER = Path(__file__).with_name("peer.py")
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def node(pytestconfig: pytest.Config) -> Iterator[Node]:
    """A node that has all images and knows kagent's objects."""
    say = partial(tell, pytestconfig)
    try:
        binaries = ensure_node_binaries(say)
        images = [hotpeers_image(say), kagent_image(say), custom_image(say), peer_image(_PEER, say)]
        running = Node(binaries, images, say)
    except (NoBinariesError, NoNodeError, NoWheelError) as error:
        pytest.exit(f"no node for the tests: {error}", returncode=1)
    try:
        running.start()
        for definition in (AGENTS, MODEL_CONFIGS, MCP_SERVERS):
            install_crd(running.api, definition)
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def servers(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The scripted model, and the part of kagent's controller that its agents call."""
    running = Servers(tmp_path_factory.mktemp("servers"))
    running.start()
    for one in controller_objects():
        node.api.apply(one)
    yield
    running.close()


@pytest.fixture(scope="session")
def chart_release(node: Node, helm_program: Path) -> Release:
    """The release, which tests may uninstall: they take `release`."""
    release = Release(node.api, Helm(helm_program, node.kubeconfig))
    release.prepare()
    return release


@pytest.fixture
def release(chart_release: Release) -> Release:
    """The installed product, repaired if the previous test broke it."""
    chart_release.install()
    return chart_release


@pytest.fixture
def stage(node: Node, servers: None) -> Iterator[Stage]:
    """A namespace for this test alone."""
    node.check()
    made = make_stage(node.api, f"test-{next(_NUMBERS)}")
    yield made
    node.api.request("DELETE", f"/api/v1/namespaces/{made.namespace}")


@pytest.fixture(scope="session")
def shared_crew(node: Node, servers: None, chart_release: Release) -> Crew:
    """The crew of the whole run: tests take `crew`."""
    chart_release.install()
    return Crew.start(make_stage(node.api, "team"))


@pytest.fixture
def crew(release: Release, shared_crew: Crew) -> Crew:
    """Orchestrators that run from the first test to the last."""
    return shared_crew


@pytest.fixture(scope="session")
def reconciler(node: Node, servers: None) -> Iterator[Reconciler]:
    """The stand-in for kagent's controller, in the namespaces that it follows."""
    running = Reconciler(node.access)
    running.start()
    yield running
    running.close()


@pytest.fixture(scope="session")
def registry(node: Node) -> Iterator[Registry]:
    """A registry with an agent that translates, and one that does something else."""
    running = Registry()
    running.put(
        "acme.translator",
        "Translates documents between languages",
        "You translate.\nAnswer every question with: Bonjour.\n",
    )
    running.put("acme.gardener", "Knows about plants", "You garden.\n")
    running.start()
    yield running
    running.close()


@pytest.fixture(scope="session")
def shared_team(
    node: Node, registry: Registry, reconciler: Reconciler, chart_release: Release
) -> Team:
    """The team of the whole run: tests take `team`."""
    chart_release.install()
    return Team.start(make_stage(node.api, "research", BASELINE), reconciler)


@pytest.fixture
def team(release: Release, shared_team: Team) -> Team:
    """An orchestrator that may spawn, and runs from the first test to the last."""
    return shared_team


@pytest.fixture(scope="session")
def helm_program(pytestconfig: pytest.Config) -> Path:
    """The program helm, built if need be."""
    return ensure_helm(partial(tell, pytestconfig))


_TIMINGS = pytest.StashKey[Timings]()


@pytest.fixture
def timings(pytestconfig: pytest.Config) -> Timings:
    """Where a test notes how long something took."""
    return pytestconfig.stash.setdefault(_TIMINGS, Timings())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if found := config.stash.get(_TIMINGS, None):
        terminalreporter.section("how long it took: median in seconds, least … most")
        for line in found.lines():
            terminalreporter.write_line(line)
        found.keep()
