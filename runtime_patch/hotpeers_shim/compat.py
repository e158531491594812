"""Which generation of the agent's libraries is here.

Looked up in the metadata of the installed distributions, so that nothing is imported to find out.
"""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

_PACKAGES = ("google-adk", "a2a-sdk", "kagent-adk", "hotpeers")


@cache
def versions() -> dict[str, str]:
    """Versions of the libraries that the shim works with, as an ack reports them."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
