"""All pages that are generated."""

from pathlib import Path

from kit.docs import DOCS
from kit.docs.api import api_page
from kit.docs.reasons import reason_pages


def generated_pages() -> dict[str, str]:
    """The text of each page, by its path below docs/."""
    return {**reason_pages(), "api.md": api_page()}


def stale_pages() -> list[Path]:
    """The pages of reasons that no longer exist."""
    made = generated_pages()
    return [
        path for path in sorted((DOCS / "reasons").glob("*")) if f"reasons/{path.name}" not in made
    ]
