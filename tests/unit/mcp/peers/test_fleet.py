"""A name that refers to no peer is a fault with a reason word of the tools."""

import pytest

from hotpeers.mcp.peers.fleet import find_peer
from hotpeers.mcp.reasons import McpReason
from hotpeers.registry.fault import Fault
from hotpeers_shim.catalog import Catalog
from hotpeers_shim.contract import Peer, PeerFile, tool_name
from hotpeers_shim.fleet.names import NameProblem

PEERS = tuple(
    Peer(name="news", namespace=space, url="http://127.0.0.1:9/", toolName=tool_name(space, "news"))
    for space in ("press", "team")
)
CATALOG = Catalog().advance(PeerFile(generation=1, peers=PEERS))


async def test_a_peer_is_found_by_its_name() -> None:
    assert await find_peer(CATALOG, "press/news") is PEERS[0]


@pytest.mark.parametrize(
    ("said", "reason"),
    [("news", McpReason.AGENT_AMBIGUOUS), ("weather", McpReason.AGENT_UNKNOWN)],
)
async def test_other_names_are_refused_with_a_reason(said: str, reason: McpReason) -> None:
    with pytest.raises(Fault, match=r"Nothing was sent|may be any of") as found:
        await find_peer(CATALOG, said)
    assert found.value.reason is reason
    assert "again" in found.value.advice or "list_agents" in found.value.advice


def test_both_halves_use_the_same_words() -> None:
    assert {one.value for one in NameProblem} == {
        McpReason.AGENT_UNKNOWN.value,
        McpReason.AGENT_AMBIGUOUS.value,
    }
