"""promtool and the check of dashboards, built once a machine."""

from pathlib import Path

from kit.apiserver import gobuild
from kit.apiserver.gobuild import Module, Say, say_aloud

_FOLDER = Path(__file__).parent
PROMTOOL = Module(
    "promtool",
    _FOLDER / "promtool",
    {"promtool": "github.com/prometheus/prometheus/cmd/promtool"},
    # No rule finds its targets in a cloud, and the clients of all clouds take most of the time.
    flags=("-tags=remove_all_sd",),
    takes="two minutes",
)
GRAFANA = Module("grafana", _FOLDER / "grafana", {"grafana-schema": "."}, takes="half a minute")


def needs_go() -> bool:
    """Whether a Go toolchain must be installed first."""
    return gobuild.needs_go(PROMTOOL, GRAFANA)


def ensure_promtool(say: Say = say_aloud) -> Path:
    """The program, built if need be; `NoBinariesError` if it cannot be."""
    return gobuild.ensure(PROMTOOL, say) / "promtool"


def ensure_grafana_schema(say: Say = say_aloud) -> Path:
    """The check of dashboards, built if need be; `NoBinariesError` if it cannot be."""
    return gobuild.ensure(GRAFANA, say) / "grafana-schema"
