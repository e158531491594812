"""What differs between two pod templates, but for the hash of the configuration."""

from __future__ import annotations

from ..base.parts import Json, items, part
from .names import CONFIG_HASH, HELD_ANNOTATIONS, HELD_LABEL


def rolls_anyway(old: Json, new: Json) -> bool:
    """Whether the templates of two Deployments differ in more than the config-hash.

    Both as an API server sends them to a webhook: it has written defaults, and what is empty, in one
    way. A template without annotations is one with none.
    """
    return _rest(part(old, "spec", "template")) != _rest(part(new, "spec", "template"))


def _rest(template: Json) -> Json:
    metadata = part(template, "metadata")
    annotations = {
        key: value for key, value in part(metadata, "annotations").items() if key != CONFIG_HASH
    }
    kept = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**template, "metadata": {**kept, "annotations": annotations}}


def changes_beside(old: Json, new: Json) -> bool:
    """Whether something differs beside the template and our marks: labels, annotations, replicas.

    kagent writes all that it wants of a Deployment at once, again and again; a change beside it is
    somebody else's, who took the hash as it was: `kubectl annotate`, or `kubectl edit`.
    """
    return _beside(old) != _beside(new)


def _beside(deployment: Json) -> tuple[Json, ...]:
    metadata, marks = part(deployment, "metadata"), (HELD_LABEL, *HELD_ANNOTATIONS)
    labels, annotations = (
        {key: value for key, value in part(metadata, field).items() if key not in marks}
        for field in ("labels", "annotations")
    )
    lists = {field: items(metadata, field) for field in ("ownerReferences", "finalizers")}
    spec = {key: value for key, value in part(deployment, "spec").items() if key != "template"}
    return labels, annotations, lists, spec
