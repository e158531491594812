"""Common helpers of the rules: a walk over an object that allows known fields only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hotpeers_shim.contract import clean_text

from ...base.reasons import Reason
from ...model.reasons import ModelReason
from ..decision import Denial, shown
from ..reasons import PolicyReason
from ..schema.policy import PolicySpec
from .forbidden import FORBIDDEN, REMEDIES


@dataclass
class Checker:
    """Checks one object under one policy. Collects the reasons of a denial in `denials`."""

    spec: PolicySpec
    namespace: str
    home: str
    depth: int
    contexts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The security contexts that the guard sets, by field of a deployment."""
    name: str = ""
    """Name of the agent, and of the only account that it may run as."""
    templated: bool = False
    """Whether the agent is equal to a template of the policy."""
    characters: int = 0
    """Characters of free text checked so far, without the system message."""
    defaulted: frozenset[str] = frozenset()
    denials: list[Denial] = field(default_factory=list)

    def deny(self, reason: Reason, path: str, wrong: str, allowed: str = "") -> None:
        """Add one reason of a denial."""
        if path in self.defaulted:
            wrong = f"{wrong}; nobody wrote it, it is the default"
        self.denials.append(
            Denial(reason, clean_text(path, 200), clean_text(wrong, 300), clean_text(allowed, 600))
        )

    def malformed(self, path: str, value: object, needed: str) -> None:
        """Add a denial for a value of the wrong type or format."""
        self.deny(PolicyReason.FIELD_MALFORMED, path, f"{shown(value)} is given", needed)


Handler = Callable[[Checker, str, Any], None]


def fields(checker: Checker, path: str, value: Any, handlers: Mapping[str, Handler]) -> None:
    """Checker each field of an object. A field without a handler is denied."""
    if not isinstance(value, dict):
        checker.malformed(path, value, "an object")
        return
    for key, item in value.items():
        where = f"{path}.{key}" if path else str(key)
        if not isinstance(key, str):
            checker.malformed(where, key, "a text as the name of a field")
        elif key in handlers:
            if item is None:
                checker.malformed(where, item, "a value, or no such field")
            else:
                handlers[key](checker, where, item)
        elif key in FORBIDDEN:
            remedy = (
                "a template without it" if checker.templated else REMEDIES.get(key, "leave it out")
            )
            checker.deny(PolicyReason.FIELD_FORBIDDEN, where, FORBIDDEN[key], remedy)
        else:
            checker.deny(
                ModelReason.UNKNOWN_FIELD,
                where,
                "no such field is known, so that it is not let in",
                f"the fields {', '.join(sorted(handlers))}",
            )


def each(checker: Checker, path: str, value: Any, handler: Handler, most: int) -> None:
    """Checker each item of a list with at most `most` items."""
    if not isinstance(value, list):
        checker.malformed(path, value, "a list")
        return
    if len(value) > most:
        checker.deny(PolicyReason.OBJECT_TOO_LARGE, path, f"{len(value)} items", f"at most {most}")
        return
    for number, item in enumerate(value):
        handler(checker, f"{path}[{number}]", item)


def refused(reason: Reason, why: str) -> Handler:
    """A handler that denies a field, regardless of its value."""

    def handler(checker: Checker, path: str, value: Any) -> None:
        del value
        checker.deny(reason, path, why, "leave it out")

    return handler


def flag(checker: Checker, path: str, value: Any) -> None:
    """A handler that allows any boolean."""
    if not isinstance(value, bool):
        checker.malformed(path, value, "true or false")


def number(least: int, most: int) -> Handler:
    """A handler for integers in a range."""

    def handler(checker: Checker, path: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            checker.malformed(path, value, f"a whole number from {least} to {most}")

    return handler


def only(reason: Reason, *allowed: str) -> Handler:
    """A handler that allows only these strings."""

    def handler(checker: Checker, path: str, value: Any) -> None:
        if not isinstance(value, str) or value not in allowed:
            checker.deny(
                reason, path, f"{shown(value)} is not allowed", ", ".join(allowed[:12]) or "none"
            )

    return handler
