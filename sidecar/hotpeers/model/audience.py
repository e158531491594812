"""Who may have an agent among its tools, as kagent's `allowedNamespaces` says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .selector import Operator, Requirement, Selector


@dataclass(frozen=True, slots=True)
class Audience:
    """Namespaces that may refer to an agent: all, those that are selected, or just its own."""

    everyone: bool = False
    selector: Selector | None = None

    def admits(self, asking: str, own: str, labels: Mapping[str, str] | None) -> bool | None:
        """Whether the namespace `asking` may refer to an agent in the namespace `own`.

        `labels` are those of `asking`. None: that cannot be said, since they are not known.
        """
        if self.everyone:
            return True
        if self.selector is None:
            return asking == own
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
    """The selector of `matchLabels` and of `matchExpressions` as `(key, operator, values)`.

    ValueError where an operator is not one, or does not go with its values.
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
