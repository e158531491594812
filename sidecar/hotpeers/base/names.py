"""The names of objects in Kubernetes."""

from __future__ import annotations

from typing import NamedTuple


class NamespacedName(NamedTuple):
    """The namespace and the name of an object. An object of the whole cluster has the namespace ""."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
