"""The names of objects in Kubernetes."""

from __future__ import annotations

import re
from typing import NamedTuple

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""The name of a namespace, a container or a port: a label of DNS."""
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""The name of most objects: labels of DNS with dots."""


class NamespacedName(NamedTuple):
    """The namespace and the name of an object. An object of the whole cluster has the namespace ""."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
