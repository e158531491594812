"""The search, filter, order and page of a table, from the query of a URL; and URLs of our pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from hotpeers_shim.contract import clean_text

ROWS = 50
"""The rows of one page of a table."""
_LONGEST = 200
_MOST_PAGES = 100_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query:
    """What a user asks of a table. Each value is one that the table knows, except `search`."""

    search: str = ""
    state: str = ""
    sort: str = ""
    descending: bool = False
    page: int = 1

    def link(self, path: str, **changes: Any) -> str:
        """The URL of a page with this query, changed. `path` may have the anchor of the table."""
        path, hash_sign, anchor = path.partition("#")
        new = replace(self, **changes)
        values = {
            "q": new.search,
            "state": new.state,
            "sort": new.sort,
            "order": "desc" if new.descending else "",
            "page": str(new.page) if new.page > 1 else "",
        }
        found = urlencode({key: value for key, value in values.items() if value})
        return f"{path}{'?' if found else ''}{found}{hash_sign}{anchor}"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of the rows that match. `total` is the number of all that match."""

    rows: Sequence[T]
    total: int
    query: Query
    pages: int

    @property
    def first(self) -> int:
        """The number of the first row, from 1."""
        return (self.query.page - 1) * ROWS + 1 if self.rows else 0


@dataclass(frozen=True)
class Table(Generic[T]):
    """How rows are searched, filtered and sorted.

    `text` returns what is searched; `states` and `sorts` are the names that a URL may have. The first
    of `sorts` is the default.
    """

    text: Callable[[T], str]
    states: Mapping[str, Callable[[T], bool]]
    sorts: Mapping[str, Callable[[T], Any]]

    def read(self, given: Mapping[str, str]) -> Query:
        """The query of a URL. A value that is not known is left out."""
        state, sort = given.get("state", ""), given.get("sort", "")
        page = given.get("page", "")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1
        return Query(
            search=clean_text(given.get("q", ""), _LONGEST),
            state=state if state in self.states else "",
            sort=sort if sort in self.sorts else "",
            descending=given.get("order") == "desc",
            page=min(max(number, 1), _MOST_PAGES),
        )

    def select(self, rows: Sequence[T], query: Query) -> Page[T]:
        """The page of the rows that match; the last page if there are fewer pages."""
        words = query.search.casefold().split()
        found = [
            row
            for row in rows
            if (not query.state or self.states[query.state](row))
            and (not words or _has_all(self.text(row).casefold(), words))
        ]
        sort = query.sort or next(iter(self.sorts))
        found.sort(key=self.sorts[sort], reverse=query.descending)
        pages = max((len(found) + ROWS - 1) // ROWS, 1)
        query = replace(query, page=min(query.page, pages))
        start = (query.page - 1) * ROWS
        return Page(found[start : start + ROWS], len(found), query, pages)


def _has_all(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)


def path_of(*parts: str) -> str:
    """A path of our server, with each part escaped: a slash in a part stays within it."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def orchestrator_path(name: str) -> str:
    """The path of the page of an Orchestrator, from its `namespace/name`."""
    namespace, _, own = name.partition("/")
    return path_of("orchestrators", namespace, own)


def local_path(path: str) -> str:
    """A path to return to after a sign-in; "/" if it could lead to another server."""
    good = path.startswith("/") and not path.startswith(("//", "/\\")) and len(path) < 2_000
    return path if good and path.isascii() and path.isprintable() and "\\" not in path else "/"
