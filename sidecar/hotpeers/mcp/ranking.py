"""Full-text search over the catalogue: SQLite's FTS5 and its BM25, in memory.

SQLite comes with Python, so this needs no dependency. docs/decisions/spawn-tools.md has measurements.
"""

from __future__ import annotations

import re
import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ..base.errors import HotpeersError

_MAX_WORDS = 12
_BEGINNING = 3
_WORD = re.compile(r"[^\W_]+")
# Weights of a word in the name, in the title, in the description, and in what the agent uses.
_WEIGHTS = "10.0, 6.0, 3.0, 1.0"
# SQLite scores every entry that contains a word of the query. A word that is in every entry is the most
# expensive and the least useful. So the rarest words are used, until they reach this many entries.
_MAX_SCORED = 2000


class SearchUnavailableError(HotpeersError):
    """SQLite was built without FTS5."""


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one entry, in fields of different weight."""

    name: str
    title: str
    description: str
    uses: str


class Ranking:
    """Ranks documents by a query. Any thread may create it; only one may use it at a time."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            self._database.execute(
                "CREATE VIRTUAL TABLE entry USING fts5(name, title, description, uses, content='', "
                "tokenize='porter unicode61 remove_diacritics 2', prefix='3 4')"
            )
        except sqlite3.OperationalError as error:
            self._database.close()
            raise SearchUnavailableError(
                f"the SQLite of this Python ({sqlite3.sqlite_version}) cannot search text: {error}"
            ) from error
        self._database.executemany(
            "INSERT INTO entry(rowid, name, title, description, uses) VALUES (?, ?, ?, ?, ?)",
            (
                (number, one.name, one.title, one.description, one.uses)
                for number, one in enumerate(documents)
            ),
        )
        self._database.execute("INSERT INTO entry(entry) VALUES ('optimize')")
        self._entries = Counter(word for one in documents for word in _all_words(one))
        self._sorted = sorted(self._entries)

    def search(self, query: str, limit: int) -> list[tuple[int, float]]:
        """The numbers and scores of the best documents, the best first. A higher score is better."""
        terms = self._terms(query)
        if not terms:
            return []
        found = self._database.execute(
            f"SELECT rowid, bm25(entry, {_WEIGHTS}) AS score FROM entry WHERE entry MATCH ? "  # noqa: S608
            "ORDER BY score, rowid LIMIT ?",
            (" OR ".join(terms), limit),
        )
        return [(number, -score) for number, score in found]

    def _terms(self, query: str) -> list[str]:
        """The rarest words of a query, as FTS5 terms."""
        terms: list[tuple[int, str]] = []
        for word in dict.fromkeys(_words(query)):
            # Quotes prevent that a word is an operator. A word that no entry contains is used as a prefix.
            if self._entries[word] or len(word) < _BEGINNING:
                terms.append((self._entries[word], f'"{word}"'))
            else:
                terms.append((self._beginning_with(word), f'"{word}"*'))
        taken: list[str] = []
        scored = 0
        for entries, term in sorted(terms, key=lambda one: one[0])[:_MAX_WORDS]:
            scored += entries
            if taken and scored > _MAX_SCORED:
                break
            taken.append(term)
        return taken

    def _beginning_with(self, beginning: str) -> int:
        """Upper bound of the entries with a word of this prefix. An entry with two words counts twice."""
        first = bisect_left(self._sorted, beginning)
        total = 0
        for word in islice(self._sorted, first, None):
            if total > _MAX_SCORED or not word.startswith(beginning):
                break
            total += self._entries[word]
        return total

    def close(self) -> None:
        """Free the memory of the index."""
        self._database.close()


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _all_words(one: Document) -> set[str]:
    return set(_words(f"{one.name} {one.title} {one.description} {one.uses}"))
