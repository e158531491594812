"""What a model may call a peer."""

import pytest

from hotpeers_shim.catalog import Catalog
from hotpeers_shim.contract import Peer, PeerFile, tool_name
from hotpeers_shim.fleet.names import NameFault, NameProblem, exact_peer, shown_name


def peer(name: str, namespace: str = "team") -> Peer:
    return Peer(
        name=name,
        namespace=namespace,
        uid=f"{namespace}-{name}",
        url="http://127.0.0.1:9/",
        toolName=tool_name(namespace, name),
    )


def find_peer(catalog: Catalog, said: str) -> Peer:
    return catalog.index.peer_now(said, catalog.gone)


def catalog(*peers: Peer) -> Catalog:
    return Catalog().advance(PeerFile(generation=1, peers=peers))


WEATHER, NEWS, OTHER_NEWS, PLAIN = (
    peer("weather-agent"),
    peer("news"),
    peer("news", "press"),
    peer("local", ""),
)
ALL = catalog(WEATHER, NEWS, OTHER_NEWS, PLAIN)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("team/weather-agent", WEATHER),
        ("weather-agent", WEATHER),
        ("Weather-Agent", WEATHER),
        ("TEAM/Weather-Agent", WEATHER),
        ("team__NS__weather_agent", WEATHER),
        (' "team/weather-agent" ', WEATHER),
        ("`press/news`", OTHER_NEWS),
        ("local", PLAIN),
    ],
)
def test_a_peer_is_found_by_each_of_its_names(said: str, meant: Peer) -> None:
    assert find_peer(ALL, said) is meant


def test_a_name_of_two_peers_is_refused_with_both() -> None:
    with pytest.raises(NameFault) as found:
        find_peer(ALL, "news")
    assert found.value.problem is NameProblem.AMBIGUOUS
    assert "press/news, team/news" in found.value.message


def test_unknown_name_is_refused_with_similar_names_first() -> None:
    with pytest.raises(NameFault) as found:
        find_peer(ALL, "wether-agent")
    assert found.value.problem is NameProblem.UNKNOWN
    assert "there are: team/weather-agent, " in found.value.message


def test_the_names_of_a_large_fleet_are_cut_and_counted() -> None:
    with pytest.raises(NameFault) as found:
        find_peer(catalog(*(peer(f"agent-{number:03}") for number in range(100))), "none")
    assert found.value.message.endswith("and 80 more")
    assert len(found.value.message) < 1000


def test_removed_peer_is_reported_as_removed() -> None:
    after = ALL.advance(PeerFile(generation=2, peers=(NEWS,)))
    with pytest.raises(NameFault, match="It was removed"):
        find_peer(after, WEATHER.toolName)
    with pytest.raises(NameFault, match="It was removed"):
        find_peer(after, "team/weather-agent")


def test_refusal_without_peers_names_the_cause() -> None:
    with pytest.raises(NameFault, match="no agents to ask now"):
        find_peer(Catalog(), "any")


def test_a_peer_without_a_namespace_is_shown_by_its_name() -> None:
    assert [shown_name(one) for one in (WEATHER, PLAIN)] == ["team/weather-agent", "local"]


@pytest.mark.parametrize("said", ["team/weather-agent", "team__NS__weather_agent", "local"])
def test_an_exact_name_needs_no_tables(said: str) -> None:
    assert exact_peer(ALL.peers, said) is not None


@pytest.mark.parametrize("said", ["weather-agent", "team/weather_agent", "/local", "local/", ""])
def test_another_peers_tool_name_is_no_exact_name(said: str) -> None:
    assert exact_peer(ALL.peers, said) is None


async def test_names_are_found_in_any_event_loop_and_without_waiting_for_it() -> None:
    assert await ALL.index.peer("WEATHER-agent") is WEATHER
    assert await ALL.index.peer("team/weather-agent") is WEATHER


@pytest.mark.parametrize("said", ["", " ", "\x00", "/", "a" * 100_000, "日本語", "team/"])
def test_any_name_gets_an_answer(said: str) -> None:
    with pytest.raises(NameFault) as found:
        find_peer(ALL, said)
    assert len(found.value.message) < 2000
