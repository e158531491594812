"""Reads the version of Kubernetes."""

from __future__ import annotations

import re
from typing import Protocol

from ..kube.errors import ServerError

_NATIVE_SIDECARS = (1, 29)


class Reader(Protocol):
    """A client that can GET: `hotpeers.kube.client.Client`."""

    async def get(self, path: str) -> object:
        """The decoded JSON of a GET. Raises `KubeError` if that fails."""


async def has_native_sidecars(client: Reader) -> bool:
    """Whether this cluster has native sidecars: init containers with restartPolicy Always.

    Raises `KubeError`.
    """
    answer = await client.get("/version")
    texts = [str(answer.get(name, "")) if isinstance(answer, dict) else "" for name in _FIELDS]
    # Some clusters report "29+".
    found = [re.match(r"[0-9]+", text) for text in texts]
    if found[0] is None or found[1] is None:
        raise ServerError(f"/version: {str(answer)[:80]!r} names no version")
    return (int(found[0][0]), int(found[1][0])) >= _NATIVE_SIDECARS


_FIELDS = ("major", "minor")
