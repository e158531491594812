"""Faults of the cluster itself: versions and clocks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..base.parts import text
from .finding import Finding, Severity
from .reasons import CheckReason
from .release import controllers
from .snapshot import Part, Snapshot, place_of

_LEAST = (1, 28)
_NATIVE = (1, 29)
_MOST_SKEW = 30.0
_VERSION = re.compile(r"v?([0-9]+)\.([0-9]+)")


def find_old_cluster(snapshot: Snapshot) -> Iterator[Finding]:
    """The version of the API server."""
    if snapshot.version < _LEAST:
        version = ".".join(map(str, snapshot.version))
        yield Finding(CheckReason.CLUSTER_TOO_OLD, "API server", f"it is Kubernetes {version}")


def find_old_kubelets(snapshot: Snapshot) -> Iterator[Finding]:
    """Kubelets without native sidecars. They never start a pod that has one."""
    settings = [
        one.settings.get("HOTPEERS_NATIVE_SIDECARS", "auto") for one in controllers(snapshot)
    ]
    native = "true" in settings or (snapshot.version >= _NATIVE and "false" not in settings)
    for node in snapshot.of(Part.NODES):
        told = text(node, "status", "nodeInfo", "kubeletVersion")
        found = _VERSION.match(told)
        if found is None or (int(found[1]), int(found[2])) >= _NATIVE:
            continue
        if native:
            message = f"its kubelet is {told}: pods with a native sidecar do not start there"
            yield Finding(
                CheckReason.KUBELET_TOO_OLD, place_of(node), message, level=Severity.WARNING
            )
        else:
            message = f"its kubelet is {told}: the sidecar is an ordinary container"
            remedy = "Nothing, or upgrade the kubelet for native sidecars."
            yield Finding(CheckReason.KUBELET_TOO_OLD, place_of(node), message, remedy)


def find_skew(snapshot: Snapshot) -> Iterator[Finding]:
    """The clock of this machine, compared with the API server's."""
    if abs(snapshot.skew) > _MOST_SKEW:
        word = "ahead of" if snapshot.skew > 0 else "behind"
        message = f"its clock is {abs(snapshot.skew):.0f} s {word} the clock of this machine"
        yield Finding(CheckReason.CLOCK_SKEWED, "API server", message)
