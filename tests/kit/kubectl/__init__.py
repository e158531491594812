"""kubectl, built once a machine from the go.mod beside this file."""

from pathlib import Path

from kit.apiserver.gobuild import Module, Say, ensure, say_aloud

KUBECTL = Module("kubectl", Path(__file__).parent, {"kubectl": "."}, takes="one minute")


def ensure_kubectl(say: Say = say_aloud) -> Path:
    """The folder of the program, built if need be; `NoBinariesError` if it cannot be."""
    return ensure(KUBECTL, say)
