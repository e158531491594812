"""The namespaces that may use an agent as a tool: kagent's `allowedNamespaces`, or an annotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .selector import Operator, Requirement, Selector


@dataclass(frozen=True, slots=True)
class Audience:
    """The namespaces that may refer to an agent: all, the selected ones, or its own and `names`."""

    everyone: bool = False
    selector: Selector | None = None
    names: frozenset[str] = frozenset()

    def admits(self, asking: str, own: str, labels: Mapping[str, str] | None) -> bool | None:
        """Whether the namespace `asking` may refer to an agent in the namespace `own`.

        `labels` are the labels of `asking`. Returns None if the answer depends on unknown labels.
        """
        if self.everyone:
            return True
        if self.selector is None:
            return asking == own or asking in self.names
        return None if labels is None else self.selector.matches(labels)


_OPERATORS = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.ABSENT,
}


def selector_of(
    labels: Mapping[str, str], expressions: list[tuple[str, str, tuple[str, ...]]]
) -> Selector:
    """The selector for `matchLabels`, and for `matchExpressions` as `(key, operator, values)`.

    Raises ValueError if an operator is unknown or does not fit its number of values.
    """
    requirements = [
        Requirement(key, Operator.IN, frozenset([value])) for key, value in labels.items()
    ]
    for key, operator, values in expressions:
        if operator not in _OPERATORS:
            raise ValueError(f"{operator[:40]!r} is not an operator: {', '.join(_OPERATORS)} are")
        if bool(values) != (operator in ("In", "NotIn")):
            raise ValueError(f"{operator} with {len(values)} values")
        requirements.append(Requirement(key, _OPERATORS[operator], frozenset(values)))
    return Selector(tuple(requirements), "")
