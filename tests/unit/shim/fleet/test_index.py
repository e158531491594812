"""How peers are found: by name, by namespace and tag, and by what they do."""

import sqlite3
import sys
import threading

import pytest

from hotpeers_shim.catalog import Catalog
from hotpeers_shim.contract import Peer, PeerFile, Skill
from hotpeers_shim.fleet import ranking


def peer(name: str, namespace: str, description: str, *tags: str) -> Peer:
    return Peer(
        name=name,
        namespace=namespace,
        uid=f"{namespace}/{name}",
        url="http://127.0.0.1:9/",
        toolName=f"{namespace}_{name}".replace("-", "_"),
        description=description,
        skills=(Skill(id="main", name=f"{name} skill", description="", tags=tags),),
    )


PEERS = (
    peer("translator", "text", "Translates documents between languages", "language"),
    peer("weather", "data", "Forecasts of rain and wind for a city", "forecast", "geo"),
    peer("stocks", "data", "Prices of shares", "finance"),
)
CATALOG = Catalog().advance(PeerFile(generation=1, peers=PEERS))


@pytest.fixture(params=["FTS5", "SQLite without FTS5", "no SQLite"], autouse=True)
def sqlite(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each search works with what the agent's Python has."""
    if request.param == "no SQLite":
        monkeypatch.setitem(sys.modules, "sqlite3", None)
    elif request.param == "SQLite without FTS5":
        monkeypatch.setattr(ranking, "_sqlite", lambda: _WithoutFts5)
    return str(request.param)


class _WithoutFts5:
    OperationalError = sqlite3.OperationalError
    sqlite_version = "3.0"

    class connect:  # noqa: N801 - the name of the function in sqlite3
        def __init__(self, *_: object, **__: object) -> None: ...

        def execute(self, _: str) -> None:
            raise sqlite3.OperationalError("no such module: fts5")

        def close(self) -> None: ...


async def found(query: str, limit: int = 20) -> list[str]:
    catalog = Catalog().advance(PeerFile(generation=1, peers=PEERS))
    return [one.name for one in (await catalog.index.search(query, limit)).peers]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("translate a document", "translator"),
        ("will it rain in a city", "weather"),
        ("share price", "stocks"),
        ("data/stocks", "stocks"),
        ("WEATHER", "weather"),
        ("text_translator", "translator"),
        ("geo", "weather"),
    ],
)
async def test_the_peer_that_fits_is_first(query: str, first: str) -> None:
    assert (await found(query))[0] == first


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("namespace:data", ["stocks", "weather"]),
        ("Namespace: DATA", ["stocks", "weather"]),
        ("tag:finance", ["stocks"]),
        ("tag:none", []),
        ("", ["stocks", "weather", "translator"]),
        ("  ", ["stocks", "weather", "translator"]),
    ],
)
async def test_browsing_lists_by_name(query: str, listed: list[str]) -> None:
    assert await found(query) == listed


async def test_a_list_that_is_cut_says_how_many_there_are() -> None:
    one = await CATALOG.index.search("", 1)
    assert (len(one.peers), one.total) == (1, 3)


async def test_the_index_follows_the_catalog() -> None:
    assert (await CATALOG.index.search("rain", 5)).peers
    less = CATALOG.advance(PeerFile(generation=2, peers=PEERS[:1]))
    assert not (await less.index.search("rain", 5)).peers
    assert (await CATALOG.index.search("rain", 5)).peers[0].name == "weather"


async def test_an_exact_name_is_first_and_every_peer_of_that_name_is_found() -> None:
    more = tuple(peer("stocks", f"space-{number}", "stocks stocks") for number in range(3))
    catalog = Catalog().advance(PeerFile(generation=1, peers=(*PEERS, *more)))
    one = await catalog.index.search("data/stocks", 2)
    assert (one.peers[0].namespace, one.peers[0].name) == ("data", "stocks")
    assert (await catalog.index.search("stocks", 20)).total == 4


async def test_reworded_query_finds_what_the_first_one_missed() -> None:
    assert await found("precipitation") == []
    assert await found("precipitation or rain") == ["weather"]


@pytest.mark.parametrize("query", ['"', "AND OR NOT", "name:*", "a" * 1000, "日本語", "\x00"])
async def test_any_query_is_answered(query: str) -> None:
    await CATALOG.index.search(query, 5)


async def test_queries_run_in_threads_of_the_shim() -> None:
    await CATALOG.index.search("rain", 5)
    names = [thread.name for thread in threading.enumerate()]
    assert any(name.startswith("hotpeers-fleet") for name in names)
