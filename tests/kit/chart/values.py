"""The comments of values.yaml, as the table of the chart's README and the descriptions of its schema."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from kit.chart.helm import CHART

VALUES, SCHEMA, README = CHART / "values.yaml", CHART / "values.schema.json", CHART / "README.md"
_MARK = "<!-- Everything below is made from values.yaml by `make manifests`. -->\n"
_KEY = re.compile(r"( *)([A-Za-z]\w*):(.*)")

Path = tuple[str, ...]


@dataclass
class Section:
    """A part of values.yaml: its title, the text below the title, and its values in their order."""

    title: str
    text: str = ""
    paths: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Comments:
    """The sections of values.yaml, and the comment above each value."""

    sections: list[Section]
    of: dict[Path, str]


def read_comments(text: str) -> Comments:
    """Read values.yaml. A value's comment ends in the line above it, in the same column.

    A section begins with `# -- Title`. The rest of that comment is the section's text, up to an empty
    comment line, or as a whole if values below the first value follow.
    """
    sections: list[Section] = []
    found: dict[Path, str] = {}
    pending: list[str] = []
    above: list[tuple[int, str]] = []
    opened = False
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("# -- "):
            sections.append(Section(bare.removeprefix("# -- ")))
            pending, opened = [], True
        elif bare.startswith("#"):
            pending.append(bare.lstrip("# "))
        elif match := _KEY.fullmatch(line):
            depth, name, rest = len(match[1]), match[2], match[3].strip()
            above = [*((d, n) for d, n in above if d < depth), (depth, name)]
            path = tuple(n for _, n in above)
            if sections:
                if opened and not rest:
                    pending.append("")
                if opened and "" in pending:
                    end = pending.index("")
                    sections[-1].text, pending = " ".join(pending[:end]), pending[end + 1 :]
                opened = False
                sections[-1].paths.append(path)
            found[path], pending = " ".join(pending), []
        else:
            pending = []
    return Comments(sections, found)


def node(schema: dict[str, Any], path: Path) -> dict[str, Any]:
    """The schema of a value."""
    for name in path:
        schema = schema["properties"][name]
    return schema


def is_leaf(schema: dict[str, Any], path: Path) -> bool:
    """Whether a value has no described values below it."""
    return "properties" not in node(schema, path)


def described_schema() -> str:
    """The schema with the comments as descriptions. What is there only in the schema keeps its own."""
    schema: dict[str, Any] = json.loads(SCHEMA.read_text())
    comments = read_comments(VALUES.read_text())
    for section in comments.sections:
        for path in section.paths:
            if _is_inside_leaf(schema, path):
                continue
            text = comments.of[path] or (section.text if len(path) == 1 else "")
            if text:
                place = node(schema, path)
                place.pop("description", None)
                rest = dict(place)
                place.clear()
                place.update({"description": text, **rest})
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def readme(chart: FilePath = CHART) -> str:
    """The README of a chart: its head, and a table of values for each section."""
    head, mark, _ = (chart / README.name).read_text().partition(_MARK)
    if not mark:
        raise ValueError(f"{chart / README.name} has lost the line {_MARK.strip()}")
    text = (chart / VALUES.name).read_text()
    comments = read_comments(text)
    values, schema = yaml.safe_load(text), json.loads(SCHEMA.read_text())
    return (
        head + mark + "".join(_section(one, comments, values, schema) for one in comments.sections)
    )


def _section(
    section: Section, comments: Comments, values: dict[str, Any], schema: dict[str, Any]
) -> str:
    lines = [f"\n### {section.title}\n\n"]
    if section.text:
        lines.append(f"{section.text}\n\n")
    lines.append("| value | default | meaning |\n|---|---|---|\n")
    for path in section.paths:
        if _is_inside_leaf(schema, path):
            continue
        value: Any = values
        for name in path:
            value = value[name]
        title, meaning = ".".join(path), _cell(comments.of[path])
        if is_leaf(schema, path) or not value:
            shown = json.dumps(value, ensure_ascii=False)
            lines.append(f"| `{title}` | {_code(shown)} | {meaning} |\n")
        elif meaning:
            lines.append(f"| `{title}` | | {meaning} |\n")
    return "".join(lines)


def _is_inside_leaf(schema: dict[str, Any], path: Path) -> bool:
    """Whether a value belongs to a map that is described as a whole, such as `resources`."""
    return any(is_leaf(schema, path[:length]) for length in range(1, len(path)))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    return f"`{text}`" if "|" not in text else f"`{text}`".replace("|", "\\|")
