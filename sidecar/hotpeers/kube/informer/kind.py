"""A kind of objects: where the API server has them, and how each is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..client import Client
from ..errors import KubeError, NotFoundError

T = TypeVar("T")


@dataclass(frozen=True)
class Version(Generic[T]):
    """One version of a kind, and how its objects are read (`MalformedError` if they are bad)."""

    name: str
    read: Callable[[Any], T]


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of objects. `versions` are those that can be read, the best first; "" is core/v1.

    `lingers` where an object that is being deleted still counts until it has gone.
    """

    name: str
    group: str
    plural: str
    versions: tuple[Version[T], ...]
    lingers: bool = False

    def path(self, version: Version[T], namespace: str) -> str:
        """Where to list and watch it; the namespace "" stands for all."""
        base = f"/apis/{self.group}/{version.name}" if self.group else "/api/v1"
        return f"{base}/namespaces/{namespace}/{self.plural}" if namespace else self._in_all(base)

    def _in_all(self, base: str) -> str:
        return f"{base}/{self.plural}"

    async def served(self, client: Client) -> Version[T] | None:
        """The best version that the server says it serves; None where it says that it has none.

        Raises `KubeError` where it does not say.
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
        """Whether it is certain that no definition of the kind exists, and so no object does."""
        definition = f"{self.plural}.{self.group}"
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition}"
        try:
            await client.get(path)
        except NotFoundError:
            return True
        # Most likely we may not look; discovery alone has to tell, by and by.
        except KubeError:
            return False
        return False


def _objects(data: Any, field: str, key: str) -> list[dict[str, Any]]:
    """The objects in a list of an answer that have the key; discovery may come from anywhere."""
    items = data.get(field) if isinstance(data, dict) else None
    if not isinstance(items, list):
        raise KubeError("what the server serves could not be read")
    return [item for item in items if isinstance(item, dict) and key in item]
