"""The README names nothing that the product does not say."""

import re
from pathlib import Path

from kit.words import every_word

ROOT = Path(__file__).parents[2]
# Said by the shim where it failed itself: no reason of something that was refused.
OWN = {"ShimFailed", "RuntimeUnsupported"}


def test_troubleshooting_table_uses_only_reason_words() -> None:
    text = (ROOT / "README.md").read_text()
    table = text[text.index("### When something") : text.index("## What works with what")]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    words = {word for row in rows for word in re.findall(r"`([A-Z]\w+)`", row.split("|")[1])}
    assert len(words) > 10
    assert words - {str(word) for word in every_word()} - OWN == set()
