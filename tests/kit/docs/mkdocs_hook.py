"""A hook of MkDocs: the site has README.md and CHANGELOG.md too, and no links out of it.

The pages are written for the repository, where they link to files beside docs/. The site has no address of
the repository, so there such a link becomes the file's name.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[3]
# Files of the repository that are pages of the site.
_PAGES = {"index.md": "README.md", "changelog.md": "CHANGELOG.md"}
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s:]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for name, source in _PAGES.items():
        files.append(File.generated(config, name, content=(_ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Adapt the links of a page to the site."""
    name = page.file.src_uri
    source = _ROOT / _PAGES.get(name, f"docs/{name}")
    up = "../" * name.count("/")

    def adapted(match: re.Match[str]) -> str:
        text, target, anchor = match.group(1), match.group(2), match.group(3) or ""
        path = (source.parent / target).resolve()
        if not path.exists():
            return match.group(0)  # --strict reports it
        inside = path.relative_to(_ROOT).as_posix()
        for made, original in _PAGES.items():
            if inside == original:
                return f"[{text}]({up}{made}{anchor})"
        if inside.startswith("docs/") and path.suffix in {".md", ".svg"}:
            return f"[{text}]({up}{inside.removeprefix('docs/')}{anchor})"
        shown = f"`{inside}`"
        return shown if text.strip("`") == inside else f"{text} ({shown})"

    return _LINK.sub(adapted, markdown)
