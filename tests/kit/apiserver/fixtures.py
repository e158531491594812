"""The fixtures that tests use: `cluster`, `namespace`, `crds`, `service_account`, `proxy`.

Where no etcd and kube-apiserver can be had, tests that ask for them are skipped, and the end of the
run says so; with CI=true in the environment they fail.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kit.apiserver.binaries import NoBinariesError, ensure_binaries
from kit.apiserver.gobuild import Say

if TYPE_CHECKING:
    from kit.apiserver.accounts import ServiceAccount
    from kit.apiserver.proxy import Proxy
    from kit.apiserver.server import Cluster

_MISSING = pytest.StashKey[dict[str, str]]()
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def cluster_binaries(pytestconfig: pytest.Config) -> Path:
    """The folder of etcd and kube-apiserver, built if need be."""
    return programs(pytestconfig, "etcd and kube-apiserver", ensure_binaries)


def programs(config: pytest.Config, names: str, ensure: Callable[[Say], Path]) -> Path:
    """Where `ensure` has the programs of these names; without them the test is left out, loudly."""
    try:
        return ensure(partial(tell, config))
    except NoBinariesError as error:
        config.stash.setdefault(_MISSING, {})[names] = str(error)
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true needs {names}: {error}", pytrace=False)
        pytest.skip(f"no {names}: see the end of the run")


def tell(config: pytest.Config, line: str) -> None:
    capture = config.pluginmanager.getplugin("capturemanager")
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if capture is None or reporter is None:
        print(line, flush=True)
        return
    with capture.global_and_fixture_disabled():
        reporter.ensure_newline()
        reporter.write_line(line)


@pytest.fixture(scope="session")
def shared_cluster(cluster_binaries: Path) -> Iterator[Cluster]:
    """The one cluster of this run, for fixtures of a wider scope; tests take `cluster`."""
    from kit.apiserver.server import Cluster

    running = Cluster(cluster_binaries)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture
def own_cluster(cluster_binaries: Path) -> Iterator[Cluster]:
    """A cluster only for this test, not started yet: for actions that would break other tests."""
    from kit.apiserver.server import Cluster

    running = Cluster(cluster_binaries)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """The running cluster: started again if the previous test stopped it."""
    shared_cluster.start()
    return shared_cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace only for this test. It is removed with its Services and custom resources."""
    from kit.apiserver.namespaces import create_namespace, remove_namespace

    name = f"test-{os.getpid()}-{next(_NUMBERS)}"
    create_namespace(cluster.api, name)
    yield name
    cluster.start()
    remove_namespace(cluster.api, name)


@pytest.fixture
def crds(cluster: Cluster, _crds_left: dict[str, str]) -> list[str]:
    """The names of the custom resources that the product reads, installed and served."""
    from kit.apiserver.resources import CRD_FILES, crd_state, install_crd

    for file in CRD_FILES:
        # To apply and to wait again for each of many tests would take seconds in all.
        if _crds_left.get(file.stem) != crd_state(cluster.api, file.stem):
            install_crd(cluster.api, file)
            _crds_left[file.stem] = crd_state(cluster.api, file.stem)
    return [file.stem for file in CRD_FILES]


@pytest.fixture(scope="session")
def _crds_left() -> dict[str, str]:
    """Which state of each custom resource was installed by us."""
    return {}


@pytest.fixture
def service_account(cluster: Cluster) -> Callable[..., ServiceAccount]:
    """Make a ServiceAccount with exactly the rights given; see `accounts.make_account`."""
    from kit.apiserver.accounts import make_account

    return partial(make_account, cluster)


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    """A proxy before the API server that can black-hole, cut and refuse."""
    from kit.apiserver.proxy import Proxy

    running = Proxy(cluster.port)
    yield running
    running.close()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for names, why in config.stash.get(_MISSING, {}).items():
        terminalreporter.section(f"NOT TESTED: {names}", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"Every test that needs {names} was left out, because")
        terminalreporter.write_line(why)
        terminalreporter.write_line(
            "`make cluster kubectl helm` builds what tests need, or KUBEBUILDER_ASSETS names a folder with"
        )
        terminalreporter.write_line("etcd and kube-apiserver. With CI=true this is an error.")
