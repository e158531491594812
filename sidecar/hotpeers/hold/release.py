"""The patch that ends a hold: the template gets the hash that is wanted, and no mark stays."""

from __future__ import annotations

from collections.abc import Collection

from ..base.parts import Json, pointer
from .names import CONFIG_HASH, HELD_HASH
from .state import Hold


def release_patch(uid: str, hold: Hold | None, marks: Collection[tuple[str, str]]) -> list[Json]:
    """A JSON patch of a Deployment that is as it was looked at; else the API server refuses it.

    `marks` are its label and annotations of ours, each as (`labels` or `annotations`, name). Without
    a hold that can be kept it takes away the marks alone: the template stays as it is.
    """
    patch: list[Json] = [{"op": "test", "path": "/metadata/uid", "value": uid}]
    template = pointer("spec", "template", "metadata", "annotations", CONFIG_HASH)
    if hold is not None:
        wanted = pointer("metadata", "annotations", HELD_HASH)
        patch.append({"op": "test", "path": wanted, "value": hold.wanted})
        patch.append({"op": "test", "path": template, "value": hold.template})
        if hold.wanted != hold.template:
            patch.append({"op": "replace", "path": template, "value": hold.wanted})
    patch += [
        {"op": "remove", "path": pointer("metadata", field, name)} for field, name in sorted(marks)
    ]
    return patch
