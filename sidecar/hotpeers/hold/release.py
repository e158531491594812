"""The patch that ends a hold: it sets the wanted hash in the template and removes all marks."""

from __future__ import annotations

from collections.abc import Collection

from ..base.parts import Json, pointer
from .names import CONFIG_HASH, HELD_HASH
from .state import Hold


def release_patch(uid: str, hold: Hold | None, marks: Collection[tuple[str, str]]) -> list[Json]:
    """A JSON patch that ends a hold. The API server rejects it if the uid or a hash has changed.

    `marks` are the label and annotations of the hold, each as (`labels` or `annotations`, name).
    Without a valid hold, the patch removes only the marks and does not change the template.
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
