"""Cost of a query: words and prefixes that occur in most entries are not all scored."""

import pytest

from hotpeers_shim.fleet import ranking as ranking_module
from hotpeers_shim.fleet.ranking import Document, Ranking

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


def test_word_in_every_entry_is_scored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking_module, "_MAX_SCORED", 2000)
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


@pytest.mark.parametrize(
    "query", ["what is the weather", "current", "Weather?", "getCurrentWeather"]
)
def test_words_of_a_name_in_camel_case_are_found(query: str) -> None:
    ranked = Ranking(
        [
            Document("getCurrentWeather", "", "", ""),
            Document("what-is-this", "", "answers the question what is it", ""),
        ]
    )
    assert ranked.search(query, 1)[0][0] == 0
    ranked.close()


def test_a_query_of_empty_words_alone_is_searched_as_it_is() -> None:
    ranked = Ranking([Document("who-is-who", "", "", ""), Document("other", "", "", "")])
    assert ranked.search("who is who", 5)[0][0] == 0
    ranked.close()


def test_a_long_question_is_found_by_its_few_words() -> None:
    ranked = Ranking(
        [Document(f"entry-{number}", "", " ".join(WORDS), "") for number in range(50)]
        + [Document("triangles", "", "the area of a triangle by base and height", "")]
    )
    question = (
        "please could you tell me how I can find out " + "what it is " * 30 + "area of triangle"
    )
    assert ranked.search(question, 1)[0][0] == 50
    ranked.close()
