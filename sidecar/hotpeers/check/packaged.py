"""The manifests in this package: copies of files of k8s/, made by `make manifests`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml

from .snapshot import Json

_FOLDER = "manifests"


def definitions() -> tuple[Json, ...]:
    """The CustomResourceDefinitions of this version."""
    return _read("crds")


def roles(name: str) -> tuple[Json, ...]:
    """The objects of a file of k8s/rbac: `controller`, `hub`, `orchestrators` or `console`."""
    return _read("rbac", f"{name}.yaml")


@cache
def _read(folder: str, name: str = "") -> tuple[Json, ...]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    place = files(__package__).joinpath(_FOLDER, folder)
    found = [
        one for one in place.iterdir() if one.name.endswith(".yaml") and name in ("", one.name)
    ]
    texts = [one.read_text("utf-8") for one in sorted(found, key=lambda one: one.name)]
    return tuple(
        document
        for written in texts
        for document in yaml.load_all(written, Loader=loader)
        if document is not None
    )
