"""What a restarted sidecar must still know, as files beside the peer file.

Without it, a crash of the sidecar could cause a second restart of the agent.
"""

from __future__ import annotations

import base64
import json
import logging
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..agent_config import write_file
from .decision import Request
from .files import Files
from .watch import Process

logger = logging.getLogger(__name__)

_STATE, _GOOD = "restarts.json", "good-config.json"
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Memory:
    """The state. `config` is the digest of the live config.json. `skills` is that of the pod's skills.

    `began` is when the sidecar first started in this pod, in seconds since the epoch. `good` is the
    digest of the good files. The other fields are those of `decision.Seen`.
    """

    began: float = 0.0
    process: Process | None = None
    request: Request | None = None
    tried: str = ""
    bad: str = ""
    good: str = ""
    config: str = ""
    skills: str = ""


class MemoryFile:
    """Reads and writes the state in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[str, Any] | None = None

    def load(self) -> Memory:
        """The state; an empty one if there is none, or if it cannot be read."""
        try:
            data = json.loads(_read(self._folder / _STATE))
            for name, kind in (("process", Process), ("request", Request)):
                if data[name] is not None:
                    data[name] = _make(kind, data[name])
            memory: Memory = _make(Memory, data)
        except FileNotFoundError:
            return Memory()
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            logger.warning("%s cannot be read: %s", self._folder / _STATE, type(error).__name__)
            return Memory()
        return memory

    def save(self, memory: Memory) -> None:
        """Write the state if it has changed. Raises OSError."""
        data = asdict(memory)
        if data != self._written:
            write_file(self._folder / _STATE, json.dumps(data).encode())
            self._written = data

    def load_good(self) -> dict[str, bytes]:
        """The last good files; {} if there are none."""
        try:
            data = json.loads(_read(self._folder / _GOOD))
            return {str(name): base64.b64decode(text) for name, text in data.items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return {}

    def save_good(self, files: Files) -> None:
        """Write the last good files. Raises OSError."""
        data = {name: base64.b64encode(raw).decode() for name, raw in files.items()}
        write_file(self._folder / _GOOD, json.dumps(data).encode())


def _make(kind: type[Any], data: Any) -> Any:
    """A value of a dataclass. Raises KeyError or TypeError if a field is missing or has another type."""
    values = {one.name: data[one.name] for one in fields(kind)}
    for one in fields(kind):
        value = values[one.name]
        text = one.type == "str" and isinstance(value, str)
        number = one.type == "float" and isinstance(value, int | float) and math.isfinite(value)
        part = str(one.type).endswith(" | None") and isinstance(value, Process | Request | None)
        if not (text or number or part):
            raise TypeError(one.name)
    return kind(**values)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_BYTES)
