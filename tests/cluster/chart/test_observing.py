"""Dashboards and alerts: every query is one, of metrics, labels and words that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry

from hotpeers.console.metrics import ConsoleMetrics
from hotpeers.controller.metrics import ControllerMetrics
from hotpeers.inject.review import Result
from hotpeers.mcp.hub.metrics import HubMetrics
from hotpeers.mcp.hub.tenant import Counts
from hotpeers.sidecar.status.metrics import Metrics
from hotpeers_shim.contract import AckState
from kit.chart.helm import Helm
from kit.chart.rendering import K8S
from kit.chart.variants import OBSERVED
from kit.words import every_word

DASHBOARDS = sorted((K8S / "dashboards").glob("*.json"))
ALERTS = yaml.safe_load((K8S / "alerts" / "hotpeers.yaml").read_text())
RULES = {rule["alert"]: rule for group in ALERTS["groups"] for rule in group["rules"]}
WORDS = {
    "reason": {word.value for word in every_word()},
    "state": {state.value for state in AckState},
    "result": {result.value for result in Result},
}
# Labels that the scraper adds.
TARGET = {"namespace", "pod", "instance", "job"}
REFERENCE = (K8S.parent / "docs" / "reference" / "metrics.md").read_text()


def samples(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Every name that a query may have, with its labels."""
    found: dict[str, set[str]] = {}
    for collector, names in registry._collector_to_names.items():
        labels = {str(label) for label in getattr(collector, "_labelnames", ())}
        for name in names:
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


def hub_samples() -> dict[str, set[str]]:
    """The same of a hub, whose metrics of each orchestrator are made at each scrape."""
    tenant = SimpleNamespace(title="a/b", peers=(), refused=(), running=0, counts=Counts())
    tenant.counts.failed["CallFailed"] = 1
    registry = HubMetrics([tenant]).registry  # type: ignore[list-item]
    found = samples(registry)
    for family in registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


METRICS = {
    **samples(Metrics().registry),
    **samples(ControllerMetrics().registry),
    **samples(ConsoleMetrics().registry),
    **hub_samples(),
}
NAMES = sorted({re.sub(r"_(bucket|count|sum|created|total)$", "", name) for name in METRICS})


def expressions(path: Path) -> Iterator[tuple[str, str]]:
    """Title and query of each target of a dashboard, with values for Grafana's variables."""
    for panel in json.loads(path.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def selectors(expression: str) -> list[Any]:
    """Every selector of a query. Raises ValueError if the query is malformed."""
    found: list[Any] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit, lambda _: True)
    return found


def wrong(expression: str) -> list[str]:
    """The metrics and labels of a query that do not exist."""
    bad: list[str] = []
    for selector in selectors(expression):
        labels = METRICS.get(selector.name)
        if labels is None:
            bad.append(f"metric {selector.name}")
            continue
        for matcher in selector.matchers.matchers:
            if matcher.name not in labels | TARGET:
                bad.append(f"label {matcher.name} of {selector.name}")
            for word in re.findall(r"\w+", matcher.value) if matcher.name in WORDS else ():
                if word not in WORDS[matcher.name]:
                    bad.append(f"{matcher.name} {word}")
    for grouped in re.findall(r"(?:by|on) \(([^)]*)\)", expression):
        known = TARGET | {"le"} | {one for labels in METRICS.values() for one in labels}
        bad += [f"label {one}" for one in re.split(r",\s*", grouped) if one not in known]
    return bad


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboard_queries_existing_metrics_and_labels(path: Path) -> None:
    bad = {title: wrong(expression) for title, expression in expressions(path)}
    assert {title: found for title, found in bad.items() if found} == {}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboard_is_whole(path: Path) -> None:
    board = json.loads(path.read_text())
    assert board["uid"] == f"hotpeers-{path.stem}"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {one["name"] for one in board["templating"]["list"]}
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        taken = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in taken) < 24
        assert not cells & taken, panel["title"]
        cells |= taken
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel.get("targets", ()):
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_alert_queries_existing_metrics_and_has_instructions(rule: dict[str, Any]) -> None:
    assert wrong(rule["expr"]) == []
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["annotations"]["description"].strip().endswith(".")
    # A label that the query drops would be an empty place in the sentence.
    text = " ".join(rule["annotations"].values())
    used = set(re.findall(r"\$labels\.(\w+)", text))
    grouped = re.match(r"(?:min|max|sum) by \(([^)]*)\)", rule["expr"])
    kept = set(re.split(r",\s*", grouped[1])) if grouped else TARGET
    assert used <= kept


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_is_on_a_dashboard_and_in_the_reference(name: str) -> None:
    queries = [query for path in DASHBOARDS for _, query in expressions(path)]
    assert any(re.search(rf"\b{name}(_|\b)", query) for query in queries)
    assert f"`{name}" in REFERENCE


def test_chart_ships_them_unchanged(helm: Helm) -> None:
    objects = helm.render(*OBSERVED)
    (rule,) = (it for it in objects if it["kind"] == "PrometheusRule")
    assert rule["spec"] == ALERTS
    boards = {
        name: json.loads(text)
        for it in objects
        if it["kind"] == "ConfigMap"
        for name, text in it["data"].items()
    }
    assert boards == {path.name: json.loads(path.read_text()) for path in DASHBOARDS}


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("hotpeers_peer", "metric hotpeers_peer"),
        ('hotpeers_peers{reason="Forbidden"}', "label reason of hotpeers_peers"),
        ('hotpeers_problems{reason=~"Forbidden|Forbiden"}', "reason Forbiden"),
        ("sum by (pood) (hotpeers_peers)", "label pood"),
    ],
)
def test_checker_finds_missing_metrics_and_labels(expression: str, said: str) -> None:
    assert wrong(expression) == [said]


def test_checker_finds_malformed_queries() -> None:
    with pytest.raises(ValueError, match="unclosed"):
        wrong("sum by (pod (hotpeers_peers)")
