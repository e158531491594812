"""The programs of a node, each group pinned by a go.mod of its own in `go/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kit.apiserver import gobuild
from kit.apiserver.binaries import ensure_binaries
from kit.apiserver.binaries import needs_go as api_server_needs_go
from kit.apiserver.gobuild import Module, Say, say_aloud

_GO = Path(__file__).parent / "go"
_CONTAINERD = "github.com/containerd/containerd/v2/cmd"
_PLUGINS = "github.com/containernetworking/plugins/plugins"

KUBERNETES = Module(
    "node-kubernetes",
    _GO / "kubernetes",
    {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    },
    takes="one minute after the API server's build",
)
CONTAINERD = Module(
    "node-containerd",
    _GO / "containerd",
    {name: f"{_CONTAINERD}/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
    flags=("-tags=no_btrfs,no_zfs,no_devmapper,urfave_cli_no_docs",),
    takes="one minute",
)
# In C are its first steps in new namespaces. Without the tag seccomp it refuses every pod of profile
# RuntimeDefault, which PodSecurity `restricted` demands.
RUNC = Module(
    "node-runc",
    _GO / "runc",
    {"runc": "github.com/opencontainers/runc"},
    flags=("-tags=seccomp,urfave_cli_no_docs",),
    cgo=True,
)
CNI = Module(
    "node-cni",
    _GO / "cni",
    {
        "bridge": f"{_PLUGINS}/main/bridge",
        "loopback": f"{_PLUGINS}/main/loopback",
        "host-local": f"{_PLUGINS}/ipam/host-local",
        "portmap": f"{_PLUGINS}/meta/portmap",
    },
)
COREDNS = Module("node-coredns", _GO / "coredns", {"coredns": "."}, takes="one minute")
PAUSE = Module("node-pause", _GO / "pause", {"pause": "."})
MODULES = (KUBERNETES, CONTAINERD, RUNC, CNI, COREDNS, PAUSE)


@dataclass(frozen=True)
class Binaries:
    """The folders of a node's programs."""

    api_server: Path
    kubernetes: Path
    containerd: Path
    runc: Path
    cni: Path
    coredns: Path
    pause: Path


def needs_go() -> bool:
    """Whether a Go toolchain must be installed before all can be built."""
    return api_server_needs_go() or gobuild.needs_go(*MODULES)


def ensure_node_binaries(say: Say = say_aloud) -> Binaries:
    """Everything a node runs, built if need be; `NoBinariesError` if it cannot be."""
    return Binaries(ensure_binaries(say), *(gobuild.ensure(one, say) for one in MODULES))
