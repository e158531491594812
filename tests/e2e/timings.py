"""Durations of steps: shown at the end of a run, and kept in build/e2e.json."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path

_FILE = Path(__file__).parents[2] / "build" / "e2e.json"


class Timings:
    """Figures by name, in seconds unless the name says otherwise; several of a name are one row."""

    def __init__(self) -> None:
        self._figures: dict[str, list[float]] = defaultdict(list)

    def note(self, name: str, *figures: float) -> None:
        self._figures[name] += figures

    def lines(self) -> list[str]:
        """A table: the median, the least and the most of each."""
        rows = []
        for name, figures in self._figures.items():
            row = f"{name:58} {statistics.median(figures):8.3f}"
            if len(figures) > 1:
                row += f"   {min(figures):8.3f} … {max(figures):.3f}   ({len(figures)})"
            rows.append(row)
        return rows

    def keep(self) -> None:
        """Write them to the file."""
        if self._figures:
            _FILE.parent.mkdir(exist_ok=True)
            _FILE.write_text(json.dumps(self._figures, indent=1, ensure_ascii=False) + "\n")
