"""The guard's answer: allowed, with an object to store if it changed, or a list of denials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hotpeers_shim.contract import clean_text

from ..base.reasons import Reason

MAX_DENIALS = 20


@dataclass(frozen=True, slots=True)
class Denial:
    """One reason of a denial: the field, what is wrong, and what is allowed. All texts are clean."""

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

    `object` is the object to store, or None if the guard does not change it. In audit mode the
    request is allowed, and `denials` lists what would be denied.
    """

    allowed: bool
    policy: str = ""
    denials: tuple[Denial, ...] = ()
    object: Any = None

    @property
    def message(self) -> str:
        """The denials as text for a model, one line for each."""
        lines = [str(denial) for denial in self.denials[:MAX_DENIALS]]
        if len(self.denials) > MAX_DENIALS:
            lines.append(f"and {len(self.denials) - MAX_DENIALS} more")
        # A client that passes the message on may join its lines, so each ends in ";".
        return ";\n".join(lines)


def shown(value: object) -> str:
    """A value of a request for use in a message: one short, quoted line."""
    if isinstance(value, str):
        return f'"{clean_text(value[:200], 80)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Python raises ValueError for the text of an integer with thousands of digits.
        return str(value) if abs(value) < 10**18 else "a huge number"
    return "null" if value is None else f"a {type(value).__name__}"


def listed(values: tuple[str, ...]) -> str:
    """The values that a policy allows, as text that lists at most twelve of them."""
    more = f" and {len(values) - 12} more" if len(values) > 12 else ""
    return (", ".join(values[:12]) + more) or "none"
