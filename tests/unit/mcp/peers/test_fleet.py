"""What a model may call a peer."""

from types import MappingProxyType

import pytest

from hotpeers.mcp.peers.fleet import find_peer, shown_name
from hotpeers.mcp.reasons import McpReason
from hotpeers.registry.fault import Fault
from hotpeers_shim.catalog import Catalog
from hotpeers_shim.contract import Peer, PeerFile, tool_name


def peer(name: str, namespace: str = "team") -> Peer:
    return Peer(
        name=name,
        namespace=namespace,
        uid=f"{namespace}-{name}",
        url="http://127.0.0.1:9/",
        toolName=tool_name(namespace, name),
    )


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
    with pytest.raises(Fault) as found:
        find_peer(ALL, "news")
    assert found.value.reason is McpReason.AGENT_AMBIGUOUS
    assert "press/news, team/news" in found.value.message


def test_unknown_name_is_refused_with_similar_names_first() -> None:
    with pytest.raises(Fault) as found:
        find_peer(ALL, "wether-agent")
    assert found.value.reason is McpReason.AGENT_UNKNOWN
    assert "there are: team/weather-agent, " in found.value.message


def test_the_names_of_a_large_fleet_are_cut_and_counted() -> None:
    with pytest.raises(Fault) as found:
        find_peer(catalog(*(peer(f"agent-{number:03}") for number in range(100))), "none")
    assert found.value.message.endswith("and 80 more")
    assert len(found.value.message) < 1000


def test_removed_peer_is_reported_as_removed() -> None:
    after = ALL.advance(PeerFile(generation=2, peers=(NEWS,)))
    with pytest.raises(Fault, match="It was removed"):
        find_peer(after, WEATHER.toolName)


def test_refusal_without_peers_names_the_cause() -> None:
    with pytest.raises(Fault, match="no agents to ask now"):
        find_peer(Catalog(peers=MappingProxyType({})), "any")


def test_a_peer_without_a_namespace_is_shown_by_its_name() -> None:
    assert [shown_name(one) for one in (WEATHER, PLAIN)] == ["team/weather-agent", "local"]
