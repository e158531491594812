"""Lists of large objects, as an attacker may create them."""

from typing import Any

import pytest

from hotpeers.kube.errors import TooLargeError
from hotpeers.kube.listwatch import list_pages


class Server:
    """Lists 250 objects, and never so many at once that it would be too much."""

    def __init__(self, fits: int) -> None:
        self.fits = fits
        self.limits: list[int] = []

    async def get(self, path: str, params: Any) -> Any:
        limit, start = int(params["limit"]), int(params["continue"] or 0)
        self.limits.append(limit)
        if limit > self.fits:
            raise TooLargeError("the answer is larger than 1 byte")
        end = min(start + limit, 250)
        return {
            "metadata": {"continue": str(end) if end < 250 else "", "resourceVersion": "7"},
            "items": list(range(start, end)),
        }


@pytest.mark.parametrize("fits", [1, 7, 30, 1000])
async def test_pages_become_as_small_as_they_have_to(fits: int) -> None:
    server = Server(fits)
    found = [item async for page in list_pages(server, "/x", {}) for item in page.items]  # type: ignore[arg-type]
    assert found == list(range(250))
    assert server.limits[-1] <= max(fits, 1)


async def test_object_that_does_not_fit_by_itself_is_an_error() -> None:
    with pytest.raises(TooLargeError):
        async for _ in list_pages(Server(0), "/x", {}):  # type: ignore[arg-type]
            pass
