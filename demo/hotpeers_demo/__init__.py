"""The embedded demonstration: one conversation with a real orchestrator while its peers change.

Everything here starts, talks to or watches separate processes. Nothing of the sidecar itself may
live here, and nothing here may be imported by the sidecar: the demonstration runs `hotpeers run`
as anybody would.
"""

import importlib.util
import sys
from dataclasses import dataclass

__all__ = ["DemoOptions", "run_demo"]

_NEEDED = ("httpx", "sse_starlette", "starlette", "uvicorn")


@dataclass(frozen=True)
class DemoOptions:
    """What the command line asks of the demonstration."""

    runtime: str = "kagent"
    source: str = "directory"
    agent_python: str | None = None
    model: str | None = None
    json_output: bool = False
    keep: bool = False


async def run_demo(options: DemoOptions) -> int:
    """Hold the conversation and return the exit code: 0 held, 1 did not, 2 could not start."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"hotpeers demo: {' and '.join(missing)} not installed; run:"
            f" {sys.executable} -m pip install hotpeers-demo\n"
        )
        return 2
    # Imported here, since these libraries are an extra that other commands do without.
    from hotpeers_demo.performance import perform  # noqa: PLC0415

    return await perform(options)
