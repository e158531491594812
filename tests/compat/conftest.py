"""Fixtures of the compatibility suite; what they are made of is in `harness`."""

import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from harness import KAGENT, PeerFileWriter, PeerServer, lacks
from rawkit import RawPeer

from hotpeers_shim import live

collect_ignore = [] if KAGENT.startswith("1.") else ["test_byo.py"]
if KAGENT.startswith("1."):
    # kagent 1.0 needs kagent-proto, which is in kagent's images alone.
    sys.path.append(str(Path(__file__).with_name("standin")))


@pytest.fixture(scope="session")
def server() -> Iterator[PeerServer]:
    running = PeerServer()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def raw() -> Iterator[RawPeer]:
    """One raw peer for all; a test that sets its `config` begins by doing so."""
    running = RawPeer()
    yield running
    running.stop()


@pytest.fixture
def start_raw() -> Iterator[Callable[..., RawPeer]]:
    started: list[RawPeer] = []

    def start_one(*flags: str) -> RawPeer:
        started.append(RawPeer(*flags))
        return started[-1]

    yield start_one
    for one in started:
        one.stop()


@pytest.fixture
def start_server() -> Iterator[Callable[..., PeerServer]]:
    started: list[PeerServer] = []

    def start_one(*flags: str) -> PeerServer:
        started.append(PeerServer(*flags))
        return started[-1]

    yield start_one
    for one in started:
        one.stop()


@pytest.fixture
def peers() -> Iterator[PeerFileWriter]:
    writer = PeerFileWriter()
    writer.write()
    yield writer
    writer.write()
    state = live.get()
    state.catalog()
    state._taken.clear()
    state._skipped.clear()
    assert state._error == "", state._error


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "on_kagent: needs an agent that runs on kagent")
    config.addinivalue_line("markers", "needs(feature): what some versions lack; see harness.lacks")
    config.addinivalue_line(
        "markers", "shows(what): what a pass proves, in the table of make compat"
    )
    config.addinivalue_line("markers", "soak: takes minutes; make compat leaves it to make test")
    config.addinivalue_line("markers", "core: what each environment of the small matrix runs")
    # The frameworks warn of themselves and of each other; that is not ours to mend.
    config.addinivalue_line("filterwarnings", "ignore")
    config.addinivalue_line("filterwarnings", "error:::hotpeers_shim")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests marked `on_kagent` if the agent does not run on kagent."""
    away = [
        item
        for item in items
        if item.get_closest_marker("on_kagent") and item.callspec.params["runtime"] != "kagent"
    ]
    lacking = lacks()
    for item in items:
        if (shows := item.get_closest_marker("shows")) is not None:
            item.user_properties.append(("shows", shows.args[0]))
        needs = item.get_closest_marker("needs")
        if needs is not None and needs.args[0] in lacking:
            item.add_marker(pytest.mark.skip(reason=f"lacks: {lacking[needs.args[0]]}"))
    config.hook.pytest_deselected(items=away)
    items[:] = [item for item in items if item not in away]


def pytest_report_header() -> str:
    kagent = f", kagent-adk {KAGENT}" if KAGENT else ""
    adk, a2a = metadata.version("google-adk"), metadata.version("a2a-sdk")
    return f"google-adk {adk}, a2a-sdk {a2a}{kagent}, Python {sys.version.split()[0]}"


@pytest.fixture(params=["plain", "kagent"] if KAGENT else ["plain"], autouse=True)
def runtime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the agent runs on kagent."""
    from hotpeers_shim.adapters import kagent as adapter

    if request.param == "kagent":
        import kagent.adk.types  # noqa: F401 - its import is what tells the shim
    else:
        monkeypatch.setattr(adapter, "is_present", lambda: False)
    return str(request.param)


@pytest.fixture
def conversation() -> Any:
    from scripted import Conversation  # only now: it imports the framework

    return Conversation
