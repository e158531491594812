"""What models send as the arguments of `ask_agent` and `list_agents`."""

import pytest

from hotpeers_shim.fleet.arguments import MAX_QUERY, read_ask, read_list


@pytest.mark.parametrize(
    ("arguments", "agent", "message"),
    [
        ({"agent": "a", "message": "m"}, "a", "m"),
        ({"agent": " a ", "message": " m "}, "a", " m "),
        ({"agent": "a", "request": "m"}, "a", "m"),
        ({"agent_name": "a", "prompt": "m"}, "a", "m"),
        ({"name": "a", "text": "m"}, "a", "m"),
        ({"agent": "a", "message": "m", "conversation": "token"}, "a", "m"),
        ({"agent": "a", "message": {"city": "Köln"}}, "a", '{"city": "Köln"}'),
        ({"agent": "a", "message": ["x", 1]}, "a", '["x", 1]'),
        ({"agent": "a", "city": "Bonn", "days": 3}, "a", '{"city": "Bonn", "days": 3}'),
        ({"agent": "a", "name": "Ada", "message": ""}, "a", '{"name": "Ada"}'),
    ],
)
def test_a_message_is_read_as_it_was_meant(
    arguments: dict[str, object], agent: str, message: str
) -> None:
    ask = read_ask(arguments)
    assert (ask.agent, ask.message, ask.problem) == (agent, message, "")


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        ({}, "`agent` and `message`"),
        ({"agent": "a"}, "`message`"),
        ({"agent": "a", "message": "  "}, "`message`"),
        ({"agent": "a", "message": None}, "`message`"),
        ({"agent": "a", "message": {}}, "`message`"),
        ({"agent": "a", "conversation": "token"}, "`message`"),
        ({"message": "m"}, "`agent`"),
        ({"agent": 5, "message": "m"}, "`agent`"),
        ({"agent": "", "message": "m"}, "`agent`"),
    ],
)
def test_what_is_missing_is_named(arguments: dict[str, object], missing: str) -> None:
    problem = read_ask(arguments).problem
    assert problem.startswith(f"ArgumentsInvalid: {missing} must be text")
    assert "Nothing was sent" in problem


@pytest.mark.parametrize(
    ("arguments", "query", "limit"),
    [
        ({}, "", 20),
        ({"query": None, "limit": None}, "", 20),
        ({"query": "rain", "limit": 5}, "rain", 5),
        ({"q": "rain", "limit": "7"}, "rain", 7),
        ({"query": "rain", "limit": 5.0}, "rain", 5),
        ({"query": "rain", "limit": 0}, "rain", 20),
        ({"query": "rain", "limit": -3}, "rain", 1),
        ({"query": "rain", "limit": 1e300}, "rain", 100),
        ({"query": "rain", "limit": float("nan")}, "rain", 20),
        ({"query": "rain", "limit": float("inf")}, "rain", 100),
        ({"query": "rain", "limit": "many"}, "rain", 20),
        ({"query": "rain", "limit": 10**400}, "rain", 20),
        ({"query": "rain", "limit": True}, "rain", 20),
        ({"query": "rain", "limit": []}, "rain", 20),
        ({"query": ["rain", "wind"]}, '["rain", "wind"]', 20),
        ({"query": "x" * 5000}, "x" * MAX_QUERY, 20),
    ],
)
def test_a_query_is_read_as_it_was_meant(
    arguments: dict[str, object], query: str, limit: int
) -> None:
    assert read_list(arguments) == (query, limit)
