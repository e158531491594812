"""docs/decisions/README.md is a complete index of the decisions."""

import re
from datetime import date
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
INDEX = (FOLDER / "README.md").read_text("utf-8")
PAGES = {path.name for path in FOLDER.iterdir()} - {"README.md"}
# - [Title](page.md) (2026-11-23, accepted): one sentence
ENTRY = re.compile(
    r"- \[[^\]]+\]\((?P<page>[^)]+)\)\s\((?P<day>\d{4}-\d\d-\d\d),\s"
    r"(?P<status>accepted|superseded by (?P<later>[a-z-]+\.md))\):\s(?P<sentence>[^#]+?\.)\n(?=\n|- |$)"
)
ENTRIES = list(ENTRY.finditer(INDEX))


def test_index_lists_each_decision_exactly_once() -> None:
    assert sorted(entry["page"] for entry in ENTRIES) == sorted(PAGES)
    # An entry of another form is not found above.
    assert len(re.findall(r"^- ", INDEX, re.MULTILINE)) == INDEX.count("](") == len(ENTRIES)


def test_each_entry_has_a_date_and_a_status() -> None:
    for entry in ENTRIES:
        assert date(2026, 11, 1) <= date.fromisoformat(entry["day"]), entry["page"]
        assert entry["later"] is None or entry["later"] in PAGES - {entry["page"]}
