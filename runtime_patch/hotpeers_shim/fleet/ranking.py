"""Ranks texts by a query: SQLite's full-text search FTS5 and its BM25, in memory.

SQLite comes with most builds of Python, so this needs no dependency. docs/decisions/spawn-tools.md
has measurements.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

_MAX_WORDS = 64
_BEGINNING = 3
_WORD = re.compile(r"[^\W_]+")
# Between the words of a name in camel case: `getCurrentWeather`, `HTTPServer`.
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Words of a question that say nothing about what it asks for. They are left out, unless there are no
# others.
_EMPTY = frozenset(
    [
        *("a", "about", "an", "and", "any", "are", "as", "at", "be", "by", "can", "could"),
        *("do", "does", "find", "for", "from", "get", "give", "has", "have", "help", "how"),
        *("i", "if", "in", "is", "it", "its", "like", "me", "my", "need", "of", "on", "or"),
        *("please", "should", "show", "so", "some", "tell", "that", "the", "their", "them"),
        *("there", "these", "this", "to", "up", "use", "using", "want", "was", "we"),
        *("what", "when", "where", "which", "who", "will", "with", "would", "you", "your"),
    ]
)
# Weights of a word in the name, in the title, in the description, and in what the agent uses. FTS5
# multiplies the count of a word by its weight, and a count saturates: with weights above 1, an entry
# with many different words of the query is better than one that repeats a few of them.
_WEIGHTS = "4.0, 4.0, 4.0, 2.0"
# SQLite scores every entry that contains a word of the query. A word that is in every entry is the
# most expensive and the least useful. So the rarest words are used, until they reach this many
# entries in all, which takes about 10 ms.
_MAX_SCORED = 40_000


class SearchUnavailableError(Exception):
    """This Python has no SQLite, or SQLite was built without FTS5."""


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one entry, in fields of different weight."""

    name: str
    title: str
    description: str
    uses: str


class Ranker(Protocol):
    """Ranks the documents that it was made of by a query."""

    def search(self, query: str, limit: int) -> list[tuple[int, float]]:
        """The numbers and scores of the best documents, the best first. A higher score is better."""
        ...

    def close(self) -> None:
        """Free the memory of the index."""
        ...


class Ranking:
    """Ranks documents by a query. Any thread may create it; only one may use it at a time.

    Raises `SearchUnavailableError`.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        sqlite3 = _sqlite()
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
                (number, *map(_split, (one.name, one.title, one.description, one.uses)))
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
        for word in words_of_query(query):
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


def _sqlite() -> Any:
    try:
        import sqlite3  # noqa: PLC0415 - some builds of Python have no SQLite
    except ImportError as error:
        raise SearchUnavailableError(f"this Python has no SQLite: {error}") from error
    return sqlite3


def words_of_query(query: str) -> list[str]:
    """The words of a query once each, without those that say nothing if there are others."""
    words = list(dict.fromkeys(words_of(query)))
    return [word for word in words if word not in _EMPTY] or words


def _split(text: str) -> str:
    """The text with spaces between the words of names in camel case."""
    return _CAMEL.sub(" ", text)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; names in camel case are several words."""
    return _WORD.findall(_split(text).casefold())


def _all_words(one: Document) -> set[str]:
    return set(words_of(f"{one.name} {one.title} {one.description} {one.uses}"))
