"""What a reason word means and what to do, as plain pieces of text that a template can show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ..base.reasons import vocabulary
from ..remedies import remedies

_LINK = re.compile(r"\[([^\]]+)\]\(docs/[^)]*\)")
_FENCE = re.compile(r"(:)?(?:\A|\n\n)```\w*\n(.*?)\n```", re.DOTALL)
_LIST_ITEM = re.compile(r"^(?:[-*]|\d+\.) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Explanation:
    """`sentence` explains the word; `blocks` are paragraphs of what to do. Both are empty if unknown.

    A block is plain text at even places and code at odd places.
    """

    sentence: str = ""
    blocks: tuple[tuple[str, ...], ...] = ()


@cache
def _all() -> dict[str, Explanation]:
    texts = remedies()
    sentences = {str(word): sentence for word, sentence in vocabulary().items()}
    return {
        word: Explanation(sentences.get(word, ""), _blocks(texts.get(word, "")))
        for word in {*sentences, *texts}
    }


def explanation_of(word: str) -> Explanation:
    """The explanation of a word, which may be any text. Only words of imported modules are known."""
    return _all().get(word, Explanation())


def _blocks(markdown: str) -> tuple[tuple[str, ...], ...]:
    """The paragraphs and list items of a remedy, without links. Commands are code in them."""
    plain = _FENCE.sub(_commands, _LINK.sub(r"\1", markdown))
    parts = [part for text in plain.split("\n\n") for part in _LIST_ITEM.split(text)]
    lines = [" ".join(part.split()) for part in parts]
    return tuple(tuple(line.split("`")) for line in lines if line)


def _commands(fence: re.Match[str]) -> str:
    """The commands of a code block, within the paragraph before it if that ends in a colon."""
    lines = fence[2].replace("\\\n", " ").splitlines()
    code = ", ".join(f"`{' '.join(line.removeprefix('$ ').split())}`" for line in lines)
    return f": {code}" if fence[1] else f"\n\n{code}"
