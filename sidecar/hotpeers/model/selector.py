"""Kubernetes label selectors: `a=b,c!=d,e in (f,g),h notin (i),j,!k`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_KEY = rf"(?:{_NAME}/)?{_NAME}"
_VALUE = rf"(?:{_NAME})?"
_TERM = re.compile(
    rf"""\s*(?:
      !\s*(?P<absent>{_KEY})
    | (?P<set_key>{_KEY})\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)
    | (?P<key>{_KEY})\s*(?P<sign>==|=|!=)\s*(?P<value>{_VALUE})
    | (?P<present>{_KEY})
    )\s*(?:,|$)""",
    re.VERBOSE,
)


class SelectorError(ValueError):
    """The text is not a label selector."""


class Operator(StrEnum):
    """The condition of a requirement on a label."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a selector."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet it. As in Kubernetes, `!=` and `notin` match a missing label."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.ABSENT:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all be met. Without requirements, everything is selected."""

    requirements: tuple[Requirement, ...] = ()
    text: str = ""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_selector(text: str) -> Selector:
    """Parse a selector. Raises `SelectorError`, which quotes the invalid part."""
    requirements = []
    position = 0
    if not text.strip():
        return Selector()
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None or (term.group(0).endswith(",") and not text[term.end() :].strip()):
            raise SelectorError(f"{text[position:].strip()!r} is not a label requirement")
        requirements.append(_requirement(term))
        position = term.end()
    return Selector(tuple(requirements), text.strip())


def _requirement(term: re.Match[str]) -> Requirement:
    part = term.groupdict()
    if part["absent"]:
        return Requirement(part["absent"], Operator.ABSENT)
    if part["present"]:
        return Requirement(part["present"], Operator.EXISTS)
    if part["key"]:
        operator = Operator.NOT_IN if part["sign"] == "!=" else Operator.IN
        return Requirement(part["key"], operator, frozenset([part["value"]]))
    values = frozenset(value.strip() for value in part["values"].split(","))
    bad = [value for value in values if not re.fullmatch(_VALUE, value)]
    if bad:
        raise SelectorError(f"{bad[0]!r} is not a label value")
    return Requirement(part["set_key"], Operator(part["set"]), values)
