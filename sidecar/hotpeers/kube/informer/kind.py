"""A kind of object: its API path, its versions, and the function that parses each version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..client import Client
from ..errors import KubeError, NotFoundError

T = TypeVar("T")


@dataclass(frozen=True)
class Version(Generic[T]):
    """One version of a kind. `read` parses an object, and raises `MalformedError` if it is bad."""

    name: str
    read: Callable[[Any], T]


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of object. The group "" is core/v1.

    `name` identifies the kind in reports and in the `source` of peers. If two kinds of different
    groups have the same name in Kubernetes, one of them has its group behind it: `Agent.api.kagent.dev`.
    `versions` are the versions that can be parsed, in the order of preference. If `lingers` is True,
    an object that is being deleted stays in the store until it no longer exists.
    """

    name: str
    group: str
    plural: str
    versions: tuple[Version[T], ...]
    lingers: bool = False

    def path(self, version: Version[T], namespace: str) -> str:
        """The API path to list and watch; the namespace "" means all namespaces."""
        base = f"/apis/{self.group}/{version.name}" if self.group else "/api/v1"
        return f"{base}/namespaces/{namespace}/{self.plural}" if namespace else self._in_all(base)

    def _in_all(self, base: str) -> str:
        return f"{base}/{self.plural}"

    async def served(self, client: Client) -> Version[T] | None:
        """The preferred version among those that the server's discovery lists; None without one.

        Raises `KubeError` if discovery fails.
        """
        if not self.group:
            return self.versions[0]
        try:
            group = await client.get(f"/apis/{self.group}")
        except NotFoundError:
            return None
        offered = {item["version"] for item in _objects(group, "versions", "version")}
        for version in self.versions:
            if version.name not in offered:
                continue
            try:
                found = await client.get(f"/apis/{self.group}/{version.name}")
            except NotFoundError:
                continue
            if any(item["name"] == self.plural for item in _objects(found, "resources", "name")):
                return version
        return None

    async def undefined(self, client: Client) -> bool:
        """Whether it is certain that the kind has no definition (CRD), and so no objects."""
        definition = f"{self.plural}.{self.group}"
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition}"
        try:
            await client.get(path)
        except NotFoundError:
            return True
        # Most likely the account may not read definitions. The caller then relies on discovery.
        except KubeError:
            return False
        return False


def _objects(data: Any, field: str, key: str) -> list[dict[str, Any]]:
    """The objects in `data[field]` that have `key`. Raises `KubeError` if that is not a list.

    The answer is not trusted, because an aggregated API server may have produced it.
    """
    items = data.get(field) if isinstance(data, dict) else None
    if not isinstance(items, list):
        raise KubeError("the kinds that the server serves could not be read")
    return [item for item in items if isinstance(item, dict) and key in item]
