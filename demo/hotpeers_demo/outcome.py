"""The results of the demonstration: facts, steps that hold or fail, figures."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


class CannotStartError(Exception):
    """The demonstration could not start; the message is one line that says what to do."""


class StepError(Exception):
    """A step failed: `expected` says what was expected, and `seen` what was seen instead."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"expected {expected}, saw {seen}")
        self.expected = expected
        self.seen = seen


@dataclass
class Step:
    """One step of the conversation with the facts that prove it."""

    name: str
    title: str
    held: bool | None = None
    """None if the step did not run because an earlier step failed."""
    facts: dict[str, Any] = field(default_factory=dict)
    expected: str = ""
    seen: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Figure:
    """A series of times, in milliseconds."""

    name: str
    title: str
    count: int
    p50_ms: float
    max_ms: float
    resolution_ms: float
    """The time between two observations. For the model, the median time between two requests."""


@dataclass
class Report:
    """The result of a whole run."""

    setting: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def held(self) -> bool:
        """Whether every step held, and the figures were measured."""
        return bool(self.figures) and all(step.held for step in self.steps)

    def as_json(self) -> Mapping[str, Any]:
        """Return the document that `--json` prints."""
        return {"held": self.held, **asdict(self)}
