"""The report, and what the documentation says of each reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hotpeers.check.advice import ADVICE
from hotpeers.check.checks import AFTER, run_checks, unread_findings
from hotpeers.check.finding import Finding, Severity
from hotpeers.check.reasons import CheckReason
from hotpeers.check.report import Report
from hotpeers.check.snapshot import Part, Unread

from .scene import snapshot

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def test_each_reason_has_advice_and_a_page() -> None:
    places = set()
    for page in REFERENCE.glob("*.md"):
        titles = [line for line in page.read_text().splitlines() if line.startswith("#")]
        places |= {page.name, *(f"{page.name}#{slug(title.lstrip('# '))}" for title in titles)}
    assert set(CheckReason) <= set(ADVICE)
    assert {advice.page for advice in ADVICE.values()} <= places
    assert all(advice.remedy.endswith(".") for advice in ADVICE.values())


def test_reference_has_the_remedy_of_each_reason() -> None:
    page = (REFERENCE / "check.md").read_text()
    for reason in CheckReason:
        advice = ADVICE[reason]
        row = f"| `{reason.value}` | {reason.sentence} | {advice.severity} | {advice.remedy} |"
        assert row in page


def test_text_has_what_is_wrong_where_and_what_to_do() -> None:
    finding = Finding(
        CheckReason.DEFINITION_MISSING, "CustomResourceDefinition x", "it is gone\x1b["
    )
    given = snapshot(skew=40.0, kagent=("kagent.dev/v1alpha2",))
    report = Report(given, run_checks(given, AFTER), [finding])
    text = "\n".join(report.lines())
    assert text.startswith(
        "Kubernetes 1.36; kagent: kagent.dev/v1alpha2\nDeployment hotpeers-system/"
    )
    assert "warn  the clocks agree" in text
    assert "ok    the controller is installed" in text
    assert "error: DefinitionMissing: CustomResourceDefinition x\n  it is gone" in text
    assert "\x1b" not in text
    assert "To do: Upgrade the chart" in text
    assert "See docs/reference/cluster-objects.md" in text
    assert text.endswith("1 error, 1 warning")
    assert report.failed


def test_report_without_findings() -> None:
    report = Report(snapshot(), run_checks(snapshot(), AFTER), [])
    assert list(report.lines())[-1] == f"no findings in {len(AFTER)} checks"
    assert not report.failed
    assert report.document()["summary"] == {"errors": 0, "warnings": 0, "notes": 0}


def test_left_out_checks_are_counted() -> None:
    given = snapshot(unread={Part.NODES: Unread("forbidden", forbidden=True)})
    report = Report(given, run_checks(given, AFTER), [])
    assert "----  kubelets can run native sidecars (without Nodes)" in list(report.lines())
    assert report.summary == f"1 of {len(AFTER)} checks left out"
    (entry,) = [one for one in report.document()["checks"] if one["result"] == "leftOut"]
    assert entry["missing"] == ["Nodes"]


def test_json_has_the_worst_finding_first() -> None:
    note = Finding(CheckReason.KUBELET_TOO_OLD, "Node n", "old", level=Severity.NOTE)
    error = Finding(CheckReason.DEFINITION_MISSING, "x", "gone")
    found = Report(snapshot(), [], [note, error]).document()["findings"]
    assert [one["severity"] for one in found] == ["error", "note"]
    assert found[0]["link"] == "docs/reference/cluster-objects.md"


def test_odd_object_ends_only_the_checks_that_read_it() -> None:
    def change(objects: dict[Part, list[Any]]) -> None:
        objects[Part.PODS].append({"metadata": {"name": "odd\x1b[31m"}, "spec": {"containers": 7}})

    given = snapshot(change)
    report = Report(given, run_checks(given, AFTER), [])
    assert {one.reason for one in report.findings} == {CheckReason.READ_FAILED}
    text = "\n".join(report.lines())
    assert "warn  namespaces invite who asks" in text
    assert "ok    the controller is installed" in text
    assert "the check that namespaces invite who asks\n  an object has an unexpected shape" in text


@pytest.mark.parametrize(
    ("parts", "forbidden", "incomplete"),
    [
        ((), True, False),
        ((Part.NODES, Part.QUOTAS), True, False),
        (tuple(one for one in Part if one is not Part.PODS), True, False),
        (tuple(one for one in Part if one is not Part.CLOCK), True, True),
        (tuple(Part), True, True),
        ((Part.QUOTAS,), False, True),
    ],
)
def test_check_that_knows_too_little_is_not_passed(
    parts: tuple[Part, ...], forbidden: bool, incomplete: bool
) -> None:
    given = snapshot(unread={one: Unread("no", forbidden=forbidden) for one in parts})
    report = Report(given, run_checks(given, AFTER), unread_findings(given))
    assert (report.failed, report.incomplete) == (False, incomplete)
