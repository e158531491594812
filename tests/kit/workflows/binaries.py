"""actionlint, built once a machine from the go.mod beside this file."""

from pathlib import Path

from kit.apiserver import gobuild
from kit.apiserver.gobuild import Module, Say, say_aloud

ACTIONLINT = Module(
    "actionlint",
    Path(__file__).parent,
    {"actionlint": "github.com/rhysd/actionlint/cmd/actionlint"},
    takes="ten seconds",
)


def needs_go() -> bool:
    """Whether a Go toolchain must be installed first."""
    return gobuild.needs_go(ACTIONLINT)


def ensure_actionlint(say: Say = say_aloud) -> Path:
    """The program, built if need be; `NoBinariesError` if it cannot be."""
    return gobuild.ensure(ACTIONLINT, say) / "actionlint"
