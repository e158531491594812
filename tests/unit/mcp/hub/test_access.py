"""Where the token of a request is."""

import pytest

from hotpeers.mcp.hub.access import given_token


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, ""),
        ({"x-hotpeers-token": "t"}, "t"),
        ({"x-hotpeers-token": " Bearer t "}, "t"),
        ({"x-hotpeers-token": "bearer  t"}, "t"),
        ({"authorization": "Bearer t"}, "t"),
        ({"authorization": "bearer   t "}, "t"),
        ({"authorization": "Basic t"}, ""),
        ({"authorization": "t"}, ""),
        ({"x-hotpeers-token": "t", "authorization": "Bearer users"}, "t"),
        ({"x-hotpeers-token": "", "authorization": "Bearer t"}, "t"),
        ({"x-hotpeers-token": "Bearer"}, "Bearer"),
    ],
)
def test_token_is_in_its_own_header_or_is_the_bearer_token(
    headers: dict[str, str], token: str
) -> None:
    assert given_token(headers) == token
