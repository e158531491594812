from __future__ import annotations

from hotpeers.base.names import NamespacedName


def test_text_is_namespace_and_name():
    assert str(NamespacedName("team", "writer")) == "team/writer"


def test_equals_the_tuple_and_has_its_hash():
    name = NamespacedName("team", "writer")

    assert {("team", "writer"): 1}[name] == 1
    assert name == ("team", "writer")


def test_sorts_by_namespace_first():
    names = [NamespacedName("b", "a"), NamespacedName("a", "b"), NamespacedName("a", "a")]

    assert sorted(names) == [("a", "a"), ("a", "b"), ("b", "a")]
