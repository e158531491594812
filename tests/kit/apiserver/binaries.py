"""etcd and kube-apiserver: found where `KUBEBUILDER_ASSETS` says, or built once a machine."""

from __future__ import annotations

import os
from pathlib import Path

from kit.apiserver.gobuild import Module, NoBinariesError, Say, ensure, find_go, say_aloud

API_SERVER = Module(
    "cluster",
    Path(__file__).parent,
    {
        "etcd": "go.etcd.io/etcd/server/v3",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    },
    takes="four minutes",
)

__all__ = ["API_SERVER", "NoBinariesError", "ensure_binaries", "needs_go"]


def assets_folder() -> Path | None:
    """The folder in KUBEBUILDER_ASSETS; None if the variable is unset."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        return None
    folder = Path(assets)
    missing = [name for name in API_SERVER.programs if not os.access(folder / name, os.X_OK)]
    if missing:
        raise NoBinariesError(f"KUBEBUILDER_ASSETS={assets} has no {' and no '.join(missing)}")
    return folder


def needs_go() -> bool:
    """Whether a Go toolchain must be installed first."""
    return assets_folder() is None and not API_SERVER.is_built and find_go(API_SERVER) is None


def ensure_binaries(say: Say = say_aloud) -> Path:
    """The folder with both programs. Builds missing ones; `NoBinariesError` if that fails."""
    return assets_folder() or ensure(API_SERVER, say)
