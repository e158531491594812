"""Cost of a query: words and prefixes that occur in most entries are not all scored."""

from hotpeers.mcp.ranking import Document, Ranking

WORDS = [
    "summarize",
    "research",
    "kubernetes",
    "document",
    "search",
    "write",
    "report",
    "tools",
    "cluster",
    "agent",
]


def ranking() -> Ranking:
    text = " ".join(WORDS)
    return Ranking([Document(f"entry-{number}", "", text, "") for number in range(1500)])


def test_word_in_every_entry_is_scored_once() -> None:
    ranked = ranking()
    assert len(ranked._terms(" ".join(WORDS))) == 1
    assert len(ranked._terms(" ".join(word[:4] for word in WORDS))) == 1
    assert len(ranked.search(" ".join(word[:4] for word in WORDS), 10)) == 10
    ranked.close()


def test_a_rare_word_is_found_among_common_beginnings() -> None:
    ranked = Ranking(
        [Document("zebra", "", "counts stripes", "")]
        + [Document(f"entry-{number}", "", " ".join(WORDS), "") for number in range(1500)]
    )
    assert ranked.search("kube rese sear strip", 1)[0][0] == 0
    ranked.close()
