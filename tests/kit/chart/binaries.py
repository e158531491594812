"""helm, built once a machine from the go.mod beside this file."""

from pathlib import Path

from kit.apiserver import gobuild
from kit.apiserver.gobuild import Module, Say, say_aloud

HELM = Module(
    "helm", Path(__file__).parent, {"helm": "helm.sh/helm/v3/cmd/helm"}, takes="two minutes"
)


def needs_go() -> bool:
    """Whether a Go toolchain must be installed first."""
    return gobuild.needs_go(HELM)


def ensure_helm(say: Say = say_aloud) -> Path:
    """The program, built if need be; `NoBinariesError` if it cannot be."""
    return gobuild.ensure(HELM, say) / "helm"
