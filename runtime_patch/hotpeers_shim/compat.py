"""The versions of the agent's libraries.

They come from the metadata of the installed distributions, so that no library has to be imported.
"""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

_PACKAGES = ("google-adk", "a2a-sdk", "kagent-adk", "hotpeers")


@cache
def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that the shim uses, for the ack."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
