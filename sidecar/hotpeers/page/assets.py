"""The stylesheet, the script and the icon, with a digest in their URLs so that browsers keep them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages refer to. `digest` changes with its content."""

    name: str
    body: bytes
    content_type: str
    digest: str


@cache
def assets() -> dict[str, Asset]:
    """All files by name."""
    found = {}
    for file in files(__package__).joinpath("static").iterdir():
        kind = file.name.rpartition(".")[2]
        if kind in _TYPES:
            body = file.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:12]
            found[file.name] = Asset(file.name, body, _TYPES[kind], digest)
    return found


def asset_url(name: str) -> str:
    """The URL of a file, relative to the root of the server."""
    return f"static/{name}?v={assets()[name].digest}"
