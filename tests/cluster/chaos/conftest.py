"""Shared by the scenarios: sidecars that end with their test, peers, and a line of figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.chaos.sidecar import LABELS, NOWHERE, Sidecar
from kit.apiserver.client import Access, Object
from kit.apiserver.resources import peer
from kit.apiserver.server import Cluster


@pytest.fixture
def make_sidecar(
    cluster: Cluster, namespace: str, crds: list[str], tmp_path: Path
) -> Iterator[Callable[..., Sidecar]]:
    """Make a sidecar of the namespace, not started yet; by another `access` if told."""
    made: list[Sidecar] = []

    def make(access: Access | None = None, kubeconfig: Path | None = None, **how: Any) -> Sidecar:
        folder = tmp_path / f"sidecar-{len(made)}"
        folder.mkdir()
        if kubeconfig is None:
            kubeconfig = (access or cluster.access).write_kubeconfig(folder / "kubeconfig")
        made.append(Sidecar(folder, kubeconfig, namespace, **how))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def make_peer(namespace: str) -> Callable[..., Object]:
    """Make the manifest of a Peer that is selected and needs no agent card."""

    def make(name: str, description: str = "at first", **spec: Any) -> Object:
        return peer(namespace, name, NOWHERE, labels=LABELS, description=description, **spec)

    return make


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print one line of figures, even while pytest captures output."""

    def say(line: str) -> None:
        with capsys.disabled():
            print(f"\nchaos: {line}", flush=True)

    return say
