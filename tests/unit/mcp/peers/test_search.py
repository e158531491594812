"""How peers are found: by name, by namespace and tag, and by what they do."""

import pytest

from hotpeers.mcp.peers.search import Search
from hotpeers_shim.catalog import Catalog
from hotpeers_shim.contract import Peer, PeerFile, Skill


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


async def found(query: str, limit: int = 20) -> list[str]:
    return [one.name for one in (await Search().find(CATALOG, query, limit)).peers]


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
    one = await Search().find(CATALOG, "", 1)
    assert (len(one.peers), one.total) == (1, 3)


async def test_the_index_follows_the_catalog() -> None:
    search = Search()
    assert (await search.find(CATALOG, "rain", 5)).peers
    less = CATALOG.advance(PeerFile(generation=2, peers=PEERS[:1]))
    assert not (await search.find(less, "rain", 5)).peers
    assert (await search.find(CATALOG, "rain", 5)).peers[0].name == "weather"


@pytest.mark.parametrize("query", ['"', "AND OR NOT", "name:*", "a" * 1000, "日本語", "\x00"])
async def test_any_query_is_answered(query: str) -> None:
    await Search().find(CATALOG, query, 5)
