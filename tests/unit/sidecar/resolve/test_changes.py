"""The differences between two lists of peers."""

from hypothesis import given
from hypothesis import strategies as st

from hotpeers.sidecar.resolve.changes import changed_span

OBJECTS = [object() for _ in range(6)]
LISTS = st.lists(st.sampled_from(OBJECTS), max_size=8)


@given(LISTS, LISTS)
def test_span_is_all_that_differs_and_no_more(before: list[object], after: list[object]) -> None:
    start, end_before, end_after = changed_span(before, after)
    assert before[:start] == after[:start]
    assert before[end_before:] == after[end_after:]
    assert start <= min(end_before, end_after)
    shorter, longer = sorted((before[start:end_before], after[start:end_after]), key=len)
    if shorter:
        assert shorter[0] is not longer[0]
        assert shorter[-1] is not longer[-1]
