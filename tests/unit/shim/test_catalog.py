from hotpeers_shim.catalog import MAX_GONE, Catalog
from hotpeers_shim.contract import Peer, PeerFile


def file(generation, *names):
    peers = tuple(Peer(name=name, url="http://peer", toolName=name) for name in names)
    return PeerFile(generation=generation, peers=peers, digest=f"d{generation}")


def test_peers_keep_the_files_order_and_the_removed_are_remembered():
    one = Catalog().advance(file(1, "b", "a"))
    two = one.advance(file(2, "a", "c"))
    assert list(one.peers) == ["b", "a"]
    assert (list(two.peers), two.gone, two.generation, two.digest) == (["a", "c"], ("b",), 2, "d2")


def test_a_peer_that_comes_back_is_not_gone():
    catalog = Catalog().advance(file(1, "a")).advance(file(2)).advance(file(3, "a"))
    assert catalog.gone == ()


def test_remembered_names_are_bounded():
    catalog = Catalog().advance(file(1, *(f"p{i}" for i in range(MAX_GONE + 10)))).advance(file(2))
    assert len(catalog.gone) == MAX_GONE
    assert catalog.gone[-1] == f"p{MAX_GONE + 9}"
