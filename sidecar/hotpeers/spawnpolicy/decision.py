"""What the guard answers: admitted, perhaps with a changed object, or each thing that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hotpeers_shim.contract import clean_text

from ..base.reasons import Reason

MAX_DENIALS = 20


@dataclass(frozen=True, slots=True)
class Denial:
    """One thing that is wrong: where, what, and what is allowed instead. All of it is clean text."""

    reason: Reason
    path: str
    wrong: str
    allowed: str = ""

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        instead = f"; allowed: {self.allowed}" if self.allowed else ""
        return f"{place}{self.wrong} ({self.reason}){instead}"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request.

    `object` is what is to be stored, None where nothing is changed. Under policies that only audit,
    a request is allowed and `denials` says what would be refused.
    """

    allowed: bool
    policy: str = ""
    denials: tuple[Denial, ...] = ()
    object: Any = None

    @property
    def message(self) -> str:
        """For a model: one line for each thing to mend."""
        lines = [str(denial) for denial in self.denials[:MAX_DENIALS]]
        if len(self.denials) > MAX_DENIALS:
            lines.append(f"and {len(self.denials) - MAX_DENIALS} more")
        # Those who hand it on may make it one line.
        return ";\n".join(lines)


def shown(value: object) -> str:
    """A value of a request as it stands in a message: one short line, quoted."""
    if isinstance(value, str):
        return f'"{clean_text(value[:200], 80)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Python refuses to write integers of thousands of digits.
        return str(value) if abs(value) < 10**18 else "a huge number"
    return "null" if value is None else f"a {type(value).__name__}"


def listed(values: tuple[str, ...]) -> str:
    """What a policy allows, as a list of at most a dozen."""
    more = f" and {len(values) - 12} more" if len(values) > 12 else ""
    return (", ".join(values[:12]) + more) or "none"
