"""Raw servers of a peer list, each closed after its test."""

from collections.abc import Callable, Iterator

import pytest

from kit.feed import Feed, peer_list


@pytest.fixture
def start() -> Iterator[Callable[..., Feed]]:
    feeds = []

    def start_one(**more) -> Feed:
        feeds.append(Feed(**{"body": peer_list(1, "weather"), **more}))
        return feeds[-1]

    yield start_one
    for feed in feeds:
        feed.close()
