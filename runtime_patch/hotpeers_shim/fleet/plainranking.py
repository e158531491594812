"""Ranks texts by a query without SQLite, for agents whose Python has none or one without FTS5.

It finds less than `ranking`: two words are the same if their beginnings are, and a word that is in
few documents counts more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from heapq import nlargest
from math import log

from .ranking import Document, words_of, words_of_query

# Beginnings of five characters make "translate", "translates" and "translator" one word.
_BEGINNING = 5
_MAX_WORDS = 64
# What a word counts in the name, the title, the description, and what the agent uses. Each word counts
# once here, so its place says more than in `ranking`.
_WEIGHTS = (10.0, 6.0, 3.0, 1.0)


class PlainRanking:
    """Ranks documents by a query. Any thread may use it."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = len(documents)
        self._entries: dict[str, dict[int, float]] = defaultdict(dict)
        for number, one in enumerate(documents):
            texts = (one.name, one.title, one.description, one.uses)
            # The best field comes last, and replaces the others.
            for text, weight in reversed(tuple(zip(texts, _WEIGHTS, strict=True))):
                for word in words_of(text):
                    self._entries[word[:_BEGINNING]][number] = weight

    def search(self, query: str, limit: int) -> list[tuple[int, float]]:
        """The numbers and scores of the best documents, the best first. A higher score is better."""
        scores: dict[int, float] = defaultdict(float)
        beginnings = dict.fromkeys(word[:_BEGINNING] for word in words_of_query(query))
        for beginning in list(beginnings)[:_MAX_WORDS]:
            entries = self._entries.get(beginning, {})
            rareness = log(1 + self._documents / len(entries)) if entries else 0.0
            for number, weight in entries.items():
                scores[number] += weight * rareness
        best = nlargest(limit, scores.items(), key=lambda one: (one[1], -one[0]))
        return [(number, score) for number, score in best]

    def close(self) -> None:
        """Free the memory of the index."""
        self._entries.clear()
