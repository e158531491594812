"""The fixture that the tests of `hotpeers run` share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.sidecars import Sidecar


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[Sidecar]:
    """A sidecar that has not been started, of an empty folder; it is killed after the test."""
    made = Sidecar(tmp_path)
    made.peers.mkdir()
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()
