"""URLs ask for rows; whatever they hold, an answer is bounded and links stay on this server."""

import pytest

from hotpeers.console.query import ROWS, Query, Table, local_path, orchestrator_path

TABLE = Table[int](
    text=lambda one: f"number {one}",
    states={"even": lambda one: one % 2 == 0},
    sorts={"number": lambda one: one, "last": lambda one: one % 10},
)
ROW = range(240)


def test_rows_are_searched_filtered_sorted_and_paged() -> None:
    query = TABLE.read({"q": "Number 1", "state": "even", "order": "desc", "page": "2"})
    page = TABLE.select(list(ROW), query)
    matching = [n for n in reversed(ROW) if n % 2 == 0 and "1" in str(n)]
    matching = [n for n in matching if f"number {n}".find("1") >= 0]
    assert list(page.rows) == matching[ROWS:]
    assert (page.total, page.pages, page.first) == (len(matching), 2, ROWS + 1)


@pytest.mark.parametrize(
    "given",
    [
        {"sort": "__class__"},
        {"state": "<script>"},
        {"page": "-1"},
        {"page": "9" * 400},
        {"page": "²"},
        {"page": "0"},
        {"order": "'"},
    ],
)
def test_unknown_values_are_left_out(given: dict[str, str]) -> None:
    page = TABLE.select(list(ROW), TABLE.read(given))
    assert 1 <= page.query.page <= page.pages
    assert (page.query.sort, page.query.state, page.query.descending) == ("", "", False)


def test_page_after_the_last_is_the_last() -> None:
    page = TABLE.select(list(ROW), TABLE.read({"page": "999999"}))
    assert page.query.page == page.pages
    assert page.rows


def test_links_keep_the_query_and_are_encoded() -> None:
    query = TABLE.read({"q": '"><script>&state=even', "sort": "last"})
    link = query.link("/", page=2)
    assert link == "/?q=%22%3E%3Cscript%3E%26state%3Deven&sort=last&page=2"


def test_names_cannot_leave_their_part_of_a_path() -> None:
    assert (
        orchestrator_path("team/../../sign-out?a") == "/orchestrators/team/..%2F..%2Fsign-out%3Fa"
    )


@pytest.mark.parametrize(
    "path",
    ["//evil", "/\\evil", "https://evil", "javascript:x", "", "/a\nb", "/" * 3000, "/é", "/a\\b"],
)
def test_paths_to_other_servers_are_not_returned_to(path: str) -> None:
    assert local_path(path) == "/"


def test_own_path_is_returned_to() -> None:
    assert local_path("/peers?q=a&page=2") == "/peers?q=a&page=2"


def test_link_keeps_the_anchor_of_the_table() -> None:
    assert Query(search="a b").link("/#t", page=2) == "/?q=a+b&page=2#t"
    assert Query().link("/#t") == "/#t"
    assert Query().link("/peers") == "/peers"
