"""Evaluates the part of PromQL that our alerts are written in, over samples of real registries.

Follows Prometheus where it matters to an alert: a counter that appears with a value has not
increased, an instant looks back five minutes, and comparisons keep the left side.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import promql_parser
from prometheus_client import CollectorRegistry

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]

_LOOK_BACK = 300.0
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "==": operator.eq,
}
_SETS = {"and", "or", "unless"}


@dataclass
class Series:
    """The scraped data of Prometheus: for each series its points, (seconds, value)."""

    points: dict[tuple[str, Labels], list[tuple[float, float]]] = field(default_factory=dict)

    def scrape(self, at: float, registry: CollectorRegistry, **target: str) -> None:
        """Store the current metrics of a registry as the scrape at second `at`."""
        for metric in registry.collect():
            for sample in metric.samples:
                labels = frozenset({**sample.labels, **target}.items())
                self.points.setdefault((sample.name, labels), []).append((at, sample.value))


def evaluate(expression: str, series: Series, at: float) -> Vector:
    """The result of a query at a second; a number is a vector of one without labels."""
    return _value(promql_parser.parse(expression), series, at)


def _value(node: Any, series: Series, at: float) -> Vector:
    kind = type(node).__name__
    found: Vector = _KINDS[kind](node, series, at)
    return found


def _selected(node: Any, series: Series) -> Iterable[tuple[Labels, list[tuple[float, float]]]]:
    for (name, labels), points in series.points.items():
        if name == node.name and all(_matches(one, dict(labels)) for one in node.matchers.matchers):
            yield labels, points


def _matches(matcher: Any, labels: Mapping[str, str]) -> bool:
    value = labels.get(matcher.name, "")
    how = str(matcher.op).rpartition(".")[2]
    if how in {"Equal", "NotEqual"}:
        return (value == matcher.value) == (how == "Equal")
    return (re.fullmatch(matcher.value, value) is not None) == (how == "Re")


def _instant(node: Any, series: Series, at: float) -> Vector:
    found = {}
    at -= node.offset.total_seconds() if node.offset is not None else 0.0
    for labels, points in _selected(node, series):
        recent = [value for when, value in points if at - _LOOK_BACK < when <= at]
        if recent:
            found[labels] = recent[-1]
    return found


def _increase(node: Any, series: Series, at: float) -> Vector:
    found = {}
    seconds = node.range.total_seconds()
    for labels, points in _selected(node.vector_selector, series):
        values = [value for when, value in points if at - seconds < when <= at]
        if len(values) > 1:
            # A counter that is smaller than before was reset.
            found[labels] = sum(b - a if b >= a else b for a, b in pairwise(values))
    return found


def _call(node: Any, series: Series, at: float) -> Vector:
    name = node.func.name
    if name == "increase":
        return _increase(node.args[0], series, at)
    if name == "rate":
        seconds = node.args[0].range.total_seconds()
        return {k: v / seconds for k, v in _increase(node.args[0], series, at).items()}
    if name == "absent":
        return {} if _value(node.args[0], series, at) else {frozenset(): 1.0}
    assert name == "histogram_quantile", name
    return _quantile(node.args[0].val, _value(node.args[1], series, at))


def _quantile(quantile: float, buckets: Vector) -> Vector:
    grouped: dict[Labels, list[tuple[float, float]]] = {}
    for labels, value in buckets.items():
        edge = float(dict(labels)["le"])
        grouped.setdefault(_only(labels, drop={"le"}), []).append((edge, value))
    found = {}
    for labels, cumulative in grouped.items():
        cumulative.sort()
        wanted = quantile * cumulative[-1][1]
        low, below = 0.0, 0.0
        for edge, count in cumulative:
            if count >= wanted and count > 0:
                share = (wanted - below) / (count - below) if count > below else 1.0
                found[labels] = low if math.isinf(edge) else low + (edge - low) * share
                break
            low, below = edge, count
    return found


def _aggregate(node: Any, series: Series, at: float) -> Vector:
    how = {"sum": sum, "min": min, "max": max}[str(node.op)]
    kept = set(node.modifier.labels)
    grouped: dict[Labels, list[float]] = {}
    for labels, value in _value(node.expr, series, at).items():
        grouped.setdefault(_only(labels, keep=kept), []).append(value)
    return {labels: float(how(values)) for labels, values in grouped.items()}


def _binary(node: Any, series: Series, at: float) -> Vector:
    left, right = _value(node.lhs, series, at), _value(node.rhs, series, at)
    name = str(node.op)
    matching = node.modifier.matching if node.modifier is not None else None
    keep = set(matching.labels) if matching is not None else None
    if name in _SETS:
        there = {_only(labels, keep=keep) for labels in right}
        kept = {k: v for k, v in left.items() if (_only(k, keep=keep) in there) == (name == "and")}
        return {**right, **left} if name == "or" else kept
    # A number matches every series.
    number = type(node.rhs).__name__ == "NumberLiteral" or set(right) == {frozenset()}
    by_labels = {_only(labels, keep=keep): value for labels, value in right.items()}
    found = {}
    for labels, value in left.items():
        key: Labels = frozenset() if number else _only(labels, keep=keep)
        if key not in by_labels:
            continue
        other = by_labels[key]
        if name in _COMPARE:
            if _COMPARE[name](value, other):
                found[labels] = value
        else:
            found[labels] = {"-": operator.sub, "*": operator.mul, "/": operator.truediv}[name](
                value, other
            )
    return found


def _only(labels: Labels, keep: set[str] | None = None, drop: Iterable[str] = ()) -> Labels:
    dropped = set(drop)
    return frozenset(
        (name, value)
        for name, value in labels
        if (keep is None or name in keep) and name not in dropped
    )


_KINDS: dict[str, Callable[[Any, Series, float], Vector]] = {
    "VectorSelector": _instant,
    "Call": _call,
    "AggregateExpr": _aggregate,
    "BinaryExpr": _binary,
    "ParenExpr": lambda node, series, at: _value(node.expr, series, at),
    "NumberLiteral": lambda node, _series, _at: {frozenset(): float(node.val)},
}
