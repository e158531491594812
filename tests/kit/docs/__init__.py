"""Makes the pages of docs/ that are generated, and adapts pages for the site."""

from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
